
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'siprec' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'siprec'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'siprec' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'Log this much (logging.level); wins over --debug')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Log lines as text or JSON (logging.format)')
            [CompletionResult]::new('--sip-trace-file', '--sip-trace-file', [CompletionResultType]::ParameterName, 'Write each SIP message to a capture that Wireshark opens, secrets blanked')
            [CompletionResult]::new('--pprof-addr', '--pprof-addr', [CompletionResultType]::ParameterName, 'Serve them on this loopback address; without an IP, as :6060, it is 127.0.0.1')
            [CompletionResult]::new('--debug', '--debug', [CompletionResultType]::ParameterName, 'Log what an engineer wants to know (logging.level: debug)')
            [CompletionResult]::new('--sip-trace', '--sip-trace', [CompletionResultType]::ParameterName, 'Show each SIP message in the log, secrets blanked')
            [CompletionResult]::new('--pprof', '--pprof', [CompletionResultType]::ParameterName, 'Serve profiles to this machine: http://127.0.0.1:6060/debug/pprof/ (processor time, flame graph, heap)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Record calls: SIP and RTP in, recordings out')
            [CompletionResult]::new('replay', 'replay', [CompletionResultType]::ParameterValue, 'Run captures (pcap, pcapng) through the recorder, offline and faster than life')
            [CompletionResult]::new('trace', 'trace', [CompletionResultType]::ParameterValue, 'Show what captures, journals and running servers hold: SIP ladders, metadata, RTP quality, why there is no audio; lint INVITEs')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Find recordings and copy them, verified')
            [CompletionResult]::new('tui', 'tui', [CompletionResultType]::ParameterValue, 'Watch a running server from a terminal: sessions, quality, alarms; pause, stop, search the archive')
            [CompletionResult]::new('archive', 'archive', [CompletionResultType]::ParameterValue, 'Look after a data directory: what is kept and erased, what waits for storage, what is damaged, the audit log, catalog, keys')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Check, show or print the configuration')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Whether this machine is as the configuration needs it: ports, firewall, kernel, clock, disk, targets, database, certificates')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'siprec;serve' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'Log this much (logging.level); wins over --debug')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Log lines as text or JSON (logging.format)')
            [CompletionResult]::new('--sip-trace-file', '--sip-trace-file', [CompletionResultType]::ParameterName, 'Write each SIP message to a capture that Wireshark opens, secrets blanked')
            [CompletionResult]::new('--pprof-addr', '--pprof-addr', [CompletionResultType]::ParameterName, 'Serve them on this loopback address; without an IP, as :6060, it is 127.0.0.1')
            [CompletionResult]::new('--debug', '--debug', [CompletionResultType]::ParameterName, 'Log what an engineer wants to know (logging.level: debug)')
            [CompletionResult]::new('--sip-trace', '--sip-trace', [CompletionResultType]::ParameterName, 'Show each SIP message in the log, secrets blanked')
            [CompletionResult]::new('--pprof', '--pprof', [CompletionResultType]::ParameterName, 'Serve profiles to this machine: http://127.0.0.1:6060/debug/pprof/ (processor time, flame graph, heap)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;replay' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Play to this server as a session recording client: sip:HOST:PORT, sip:HOST;transport=tcp, sips:HOST')
            [CompletionResult]::new('--tone', '--tone', [CompletionResultType]::ParameterName, 'Without FILE: say these tones, Hz, a leg each')
            [CompletionResult]::new('--wav', '--wav', [CompletionResultType]::ParameterName, 'Without FILE: say these WAV files over and over, a leg each')
            [CompletionResult]::new('--codec', '--codec', [CompletionResultType]::ParameterName, 'Without FILE: how it is coded')
            [CompletionResult]::new('--legs', '--legs', [CompletionResultType]::ParameterName, 'Without FILE: streams of a call')
            [CompletionResult]::new('--calls', '--calls', [CompletionResultType]::ParameterName, 'Make so many calls; those of FILE in turn [default: 1, or each of FILE once]')
            [CompletionResult]::new('--rate', '--rate', [CompletionResultType]::ParameterName, 'Begin so many calls a second')
            [CompletionResult]::new('--duration', '--duration', [CompletionResultType]::ParameterName, 'End a call so long after its answer: 90, 30s, 5m [default: 10s, or as in FILE]')
            [CompletionResult]::new('--speed', '--speed', [CompletionResultType]::ParameterName, 'Play so many times as fast as life')
            [CompletionResult]::new('--hold', '--hold', [CompletionResultType]::ParameterName, 'Without FILE: hold a call so long after its answer, for so long: 3s,2s')
            [CompletionResult]::new('--transfer', '--transfer', [CompletionResultType]::ParameterName, 'Without FILE: another participant comes for the last one, so long after the answer (a metadata update)')
            [CompletionResult]::new('--loss', '--loss', [CompletionResultType]::ParameterName, 'Leave out so many of 100 packets')
            [CompletionResult]::new('--jitter', '--jitter', [CompletionResultType]::ParameterName, 'Delay packets by up to this, in order: 30ms')
            [CompletionResult]::new('--reorder', '--reorder', [CompletionResultType]::ParameterName, 'Send so many of 100 packets behind the next one')
            [CompletionResult]::new('--skew', '--skew', [CompletionResultType]::ParameterName, 'Let the sender''s clock be fast by so many parts per million, or slow: -50')
            [CompletionResult]::new('--srtp', '--srtp', [CompletionResultType]::ParameterName, 'Send SRTP under keys of our own (SDES): AES_CM_128_HMAC_SHA1_80, AEAD_AES_256_GCM ...')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'Answer challenges (401, 407) as this user; the password from --password-file or $SIPREC_REPLAY_PASSWORD')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from the first line of this file')
            [CompletionResult]::new('--tls-ca', '--tls-ca', [CompletionResultType]::ParameterName, 'Judge the server''s certificate by these CAs (PEM) instead of the machine''s')
            [CompletionResult]::new('--tls-cert', '--tls-cert', [CompletionResultType]::ParameterName, 'Show the server this certificate (PEM)')
            [CompletionResult]::new('--tls-key', '--tls-key', [CompletionResultType]::ParameterName, 'Its private key (PEM)')
            [CompletionResult]::new('--local', '--local', [CompletionResultType]::ParameterName, 'Send from this address')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Draw all that is random from this number: tags, keys, losses come again')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Threads that send media: one for each 100,000 packets a second')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON: an object a recording, or with --to one report')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Show no progress, on a terminal either')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Show no progress, on a terminal either')
            [CompletionResult]::new('--tls-insecure', '--tls-insecure', [CompletionResultType]::ParameterName, 'Take any certificate: for tests only')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;trace' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'Instead of files, a running server, by its API: the SIP of what it records now (takes the permission `manage`); without a URL the one on this machine, where the configuration has it')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'What shows that server who asks: an API key, or a token of its issuer; SIPREC_TOKEN says the same, unseen by other users')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Only this session of the server''s, also one that is over as long as its journal is kept; a recording''s id shows its packets, RTP and all (takes `export`); repeatable')
            [CompletionResult]::new('--call', '--call', [CompletionResultType]::ParameterName, 'Only the call with this Call-ID, or with this communication session; repeatable')
            [CompletionResult]::new('--party', '--party', [CompletionResultType]::ParameterName, 'Only calls of this number, address or name, or a part of it; repeatable')
            [CompletionResult]::new('--address', '--address', [CompletionResultType]::ParameterName, 'Only calls with messages or media of this host; repeatable')
            [CompletionResult]::new('--method', '--method', [CompletionResultType]::ParameterName, 'Only calls with this method, and of their messages only those; repeatable')
            [CompletionResult]::new('--status', '--status', [CompletionResultType]::ParameterName, 'Only calls with this status, and of their messages only those: 486, 4xx; repeatable')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Only messages since then: 2026-11-30, 2026-11-30T10:30:00Z, yesterday, 2h')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Only messages until then')
            [CompletionResult]::new('--write', '--write', [CompletionResultType]::ParameterName, 'Write the packets of the calls that match (SIP, RTP, RTCP) to this file; SIP over TCP as one packet a message')
            [CompletionResult]::new('--keylog', '--keylog', [CompletionResultType]::ParameterName, 'Read SIP over TLS with the keys of this file (SSLKEYLOGFILE)')
            [CompletionResult]::new('--anonymise', '--anonymise', [CompletionResultType]::ParameterName, 'Write a capture of all that is SIP, RTP and RTCP in which numbers, names, addresses, keys and audio are replaced, the same everywhere; it replays as the original does, and what is left out of it is told')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--width', '--width', [CompletionResultType]::ParameterName, 'Columns of a ladder; those of the terminal, else 100')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Go on: print each message of the server''s as it comes, a line each; in full with --messages, as JSON lines with --json')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Go on: print each message of the server''s as it comes, a line each; in full with --messages, as JSON lines with --json')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Look through calls, ladders, messages and streams on this terminal, by keys')
            [CompletionResult]::new('--interactive', '--interactive', [CompletionResultType]::ParameterName, 'Look through calls, ladders, messages and streams on this terminal, by keys')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'A line a message')
            [CompletionResult]::new('--messages', '--messages', [CompletionResultType]::ParameterName, 'Messages in full, their secrets blanked')
            [CompletionResult]::new('--rtp', '--rtp', [CompletionResultType]::ParameterName, 'All that is known of each RTP stream')
            [CompletionResult]::new('--mermaid', '--mermaid', [CompletionResultType]::ParameterName, 'A sequence diagram in Mermaid''s language')
            [CompletionResult]::new('--svg', '--svg', [CompletionResultType]::ParameterName, 'The ladder as a picture')
            [CompletionResult]::new('--lint', '--lint', [CompletionResultType]::ParameterName, 'Say of each INVITE, re-INVITE and UPDATE of an SRC who made it, what is wrong with it and how to mend it, and what the server would answer; exit code 1 if there are errors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON, an object a line: messages, sessions and streams; with --list or --messages, --rtp, --lint only those')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'siprec;export' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Copy recordings and their sidecars here, verified, keeping YYYY/MM/DD: a folder, s3://BUCKET/PREFIX, az://ACCOUNT/CONTAINER/PREFIX or gs://BUCKET/PREFIX (as storage has it), or - for the audio of one on standard output')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Not a copy, but this form: rendered again from the journal, or (vcon) audio and proof sheet in one file')
            [CompletionResult]::new('--vcon-audio', '--vcon-audio', [CompletionResultType]::ParameterName, 'Where the audio of vCons is: inline, external (in files beside them, named and hashed), or the https:// URL that those files can be had under')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'So many recordings at a time, up to 64; by default as many as there are processors, 8 at most. What is printed is in the catalog''s order however many there are')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'So many recordings at a time, up to 64; by default as many as there are processors, 8 at most. What is printed is in the catalog''s order however many there are')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'How voices are laid out in files that are rendered again; as recording.layout has it where it is not given')
            [CompletionResult]::new('--verify', '--verify', [CompletionResultType]::ParameterName, 'Tell whether recordings are what their server signed: below a folder, of a sheet, of a file, or signed vCons; needs no server. Repeatable')
            [CompletionResult]::new('--public-key', '--public-key', [CompletionResultType]::ParameterName, 'The server''s siprec-proof.pub, from a place that you trust; repeatable. Without it, keys beside the recordings count, which only tell that all belongs together')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'From a running server, by its API, instead of the data directory: http://127.0.0.1:8080, https://srs.example.com')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'What shows that server who asks: an API key, or a token of its issuer; SIPREC_TOKEN says the same, unseen by other users')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Started before then; a day is included as a whole')
            [CompletionResult]::new('--caller', '--caller', [CompletionResultType]::ParameterName, 'Part of the caller''s address, name or number, however it is written')
            [CompletionResult]::new('--callee', '--callee', [CompletionResultType]::ParameterName, 'The same of who was called')
            [CompletionResult]::new('--participant', '--participant', [CompletionResultType]::ParameterName, 'The same of anybody who took part')
            [CompletionResult]::new('--number-ends', '--number-ends', [CompletionResultType]::ParameterName, 'The last digits of the number of anybody who took part')
            [CompletionResult]::new('--text', '--text', [CompletionResultType]::ParameterName, 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so')
            [CompletionResult]::new('--call', '--call', [CompletionResultType]::ParameterName, 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'With a stream of this label')
            [CompletionResult]::new('--vendor', '--vendor', [CompletionResultType]::ParameterName, 'By an SRC of this vendor (oracle, cisco ...), or with this in its product''s name')
            [CompletionResult]::new('--state', '--state', [CompletionResultType]::ParameterName, 'How it ended: all of it is there, or it was cut short')
            [CompletionResult]::new('--min-duration', '--min-duration', [CompletionResultType]::ParameterName, 'At least so long: 10s, 5m, 1h')
            [CompletionResult]::new('--max-duration', '--max-duration', [CompletionResultType]::ParameterName, 'At most so long')
            [CompletionResult]::new('--min-loss', '--min-loss', [CompletionResultType]::ParameterName, 'With at least so much of its packets lost on the way: 5, 0.5%')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'With this tag (`siprec archive tag`)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'The recording of this id; repeatable')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most so many, the latest')
            [CompletionResult]::new('--sign', '--sign', [CompletionResultType]::ParameterName, 'Sign vCons with the server''s proof key (JWS, Ed25519)')
            [CompletionResult]::new('--prune', '--prune', [CompletionResultType]::ParameterName, 'Remove from the folder what is left there of recordings that the archive has recompressed since: files that their sheets name as those of before, where they are still these to the octet. Without it they stay, and are told')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only list what matches')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a recording')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Show no progress, on a terminal either')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Show no progress, on a terminal either')
            [CompletionResult]::new('--faulty', '--faulty', [CompletionResultType]::ParameterName, 'Whose proof sheet shows a fault')
            [CompletionResult]::new('--held', '--held', [CompletionResultType]::ParameterName, 'Under a legal hold (`siprec archive hold`)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'siprec;tui' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server''s API')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'What shows that server who asks: an API key, or a token of its issuer; SIPREC_TOKEN says the same, unseen by other users')
            [CompletionResult]::new('--theme', '--theme', [CompletionResultType]::ParameterName, 'Its colours; where it is not given, those of the terminal, or none where NO_COLOR is set')
            [CompletionResult]::new('--read-only', '--read-only', [CompletionResultType]::ParameterName, 'Look only: no key changes anything on the server')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'siprec;archive' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('outbox', 'outbox', [CompletionResultType]::ParameterValue, 'What waits for storage targets, and why; beside a running server or without one')
            [CompletionResult]::new('unfinished', 'unfinished', [CompletionResultType]::ParameterValue, 'Recordings that could not be made, and why; beside a running server or without one')
            [CompletionResult]::new('hold', 'hold', [CompletionResultType]::ParameterValue, 'Keep recordings from being deleted, whatever rule or order there is; a server may run')
            [CompletionResult]::new('release', 'release', [CompletionResultType]::ParameterValue, 'End holds')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Put tags on recordings, or take them off; a server may run')
            [CompletionResult]::new('erase', 'erase', [CompletionResultType]::ParameterValue, 'Erase recordings for good: here, in their journals, in the catalog and in all storage targets, with a signed certificate for each; a server may run')
            [CompletionResult]::new('expire', 'expire', [CompletionResultType]::ParameterValue, 'Erase what is older than storage.retention_days and storage.retention say, as a server does by itself')
            [CompletionResult]::new('recompress', 'recompress', [CompletionResultType]::ParameterValue, 'Replace WAV files that are old enough by FLAC or Opus, here and in all storage targets, with sheets that prove what they were made of; as a server does by itself with archive.recompress_after. A server may run')
            [CompletionResult]::new('new-key', 'new-key', [CompletionResultType]::ParameterValue, 'Make a master key for archive.seal')
            [CompletionResult]::new('rewrap', 'rewrap', [CompletionResultType]::ParameterValue, 'After a change of the master key: wrap all keys by the new one. No audio is touched; a server may run')
            [CompletionResult]::new('rebuild', 'rebuild', [CompletionResultType]::ParameterValue, 'Make the catalog anew from the proof sheets in the data directory, whose server must not run')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Whether all that is held is what it was: sheets, files, targets, catalog, journals, audit log; beside a running server or without one')
            [CompletionResult]::new('audit', 'audit', [CompletionResultType]::ParameterValue, 'Who did what to which recording: the audit log, listed or checked')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'siprec;archive;outbox' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--retry', '--retry', [CompletionResultType]::ParameterName, 'Have what failed tried again now')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a target, then one a recording that failed')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;unfinished' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--retry', '--retry', [CompletionResultType]::ParameterName, 'Have them tried again now')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a session')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;hold' {
            [CompletionResult]::new('--reason', '--reason', [CompletionResultType]::ParameterName, 'The matter, in your words; a recording may be held for several')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Started before then; a day is included as a whole')
            [CompletionResult]::new('--caller', '--caller', [CompletionResultType]::ParameterName, 'Part of the caller''s address, name or number, however it is written')
            [CompletionResult]::new('--callee', '--callee', [CompletionResultType]::ParameterName, 'The same of who was called')
            [CompletionResult]::new('--participant', '--participant', [CompletionResultType]::ParameterName, 'The same of anybody who took part')
            [CompletionResult]::new('--number-ends', '--number-ends', [CompletionResultType]::ParameterName, 'The last digits of the number of anybody who took part')
            [CompletionResult]::new('--text', '--text', [CompletionResultType]::ParameterName, 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so')
            [CompletionResult]::new('--call', '--call', [CompletionResultType]::ParameterName, 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'With a stream of this label')
            [CompletionResult]::new('--vendor', '--vendor', [CompletionResultType]::ParameterName, 'By an SRC of this vendor (oracle, cisco ...), or with this in its product''s name')
            [CompletionResult]::new('--state', '--state', [CompletionResultType]::ParameterName, 'How it ended: all of it is there, or it was cut short')
            [CompletionResult]::new('--min-duration', '--min-duration', [CompletionResultType]::ParameterName, 'At least so long: 10s, 5m, 1h')
            [CompletionResult]::new('--max-duration', '--max-duration', [CompletionResultType]::ParameterName, 'At most so long')
            [CompletionResult]::new('--min-loss', '--min-loss', [CompletionResultType]::ParameterName, 'With at least so much of its packets lost on the way: 5, 0.5%')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'With this tag (`siprec archive tag`)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'The recording of this id; repeatable')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most so many, the latest')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a recording')
            [CompletionResult]::new('--faulty', '--faulty', [CompletionResultType]::ParameterName, 'Whose proof sheet shows a fault')
            [CompletionResult]::new('--held', '--held', [CompletionResultType]::ParameterName, 'Under a legal hold (`siprec archive hold`)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;release' {
            [CompletionResult]::new('--reason', '--reason', [CompletionResultType]::ParameterName, 'End the hold for this matter')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Started before then; a day is included as a whole')
            [CompletionResult]::new('--caller', '--caller', [CompletionResultType]::ParameterName, 'Part of the caller''s address, name or number, however it is written')
            [CompletionResult]::new('--callee', '--callee', [CompletionResultType]::ParameterName, 'The same of who was called')
            [CompletionResult]::new('--participant', '--participant', [CompletionResultType]::ParameterName, 'The same of anybody who took part')
            [CompletionResult]::new('--number-ends', '--number-ends', [CompletionResultType]::ParameterName, 'The last digits of the number of anybody who took part')
            [CompletionResult]::new('--text', '--text', [CompletionResultType]::ParameterName, 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so')
            [CompletionResult]::new('--call', '--call', [CompletionResultType]::ParameterName, 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'With a stream of this label')
            [CompletionResult]::new('--vendor', '--vendor', [CompletionResultType]::ParameterName, 'By an SRC of this vendor (oracle, cisco ...), or with this in its product''s name')
            [CompletionResult]::new('--state', '--state', [CompletionResultType]::ParameterName, 'How it ended: all of it is there, or it was cut short')
            [CompletionResult]::new('--min-duration', '--min-duration', [CompletionResultType]::ParameterName, 'At least so long: 10s, 5m, 1h')
            [CompletionResult]::new('--max-duration', '--max-duration', [CompletionResultType]::ParameterName, 'At most so long')
            [CompletionResult]::new('--min-loss', '--min-loss', [CompletionResultType]::ParameterName, 'With at least so much of its packets lost on the way: 5, 0.5%')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'With this tag (`siprec archive tag`)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'The recording of this id; repeatable')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most so many, the latest')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'End all holds')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a recording')
            [CompletionResult]::new('--faulty', '--faulty', [CompletionResultType]::ParameterName, 'Whose proof sheet shows a fault')
            [CompletionResult]::new('--held', '--held', [CompletionResultType]::ParameterName, 'Under a legal hold (`siprec archive hold`)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;tag' {
            [CompletionResult]::new('--add', '--add', [CompletionResultType]::ParameterName, 'Put this tag on; repeatable')
            [CompletionResult]::new('--remove', '--remove', [CompletionResultType]::ParameterName, 'Take this tag off; repeatable')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Started before then; a day is included as a whole')
            [CompletionResult]::new('--caller', '--caller', [CompletionResultType]::ParameterName, 'Part of the caller''s address, name or number, however it is written')
            [CompletionResult]::new('--callee', '--callee', [CompletionResultType]::ParameterName, 'The same of who was called')
            [CompletionResult]::new('--participant', '--participant', [CompletionResultType]::ParameterName, 'The same of anybody who took part')
            [CompletionResult]::new('--number-ends', '--number-ends', [CompletionResultType]::ParameterName, 'The last digits of the number of anybody who took part')
            [CompletionResult]::new('--text', '--text', [CompletionResultType]::ParameterName, 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so')
            [CompletionResult]::new('--call', '--call', [CompletionResultType]::ParameterName, 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'With a stream of this label')
            [CompletionResult]::new('--vendor', '--vendor', [CompletionResultType]::ParameterName, 'By an SRC of this vendor (oracle, cisco ...), or with this in its product''s name')
            [CompletionResult]::new('--state', '--state', [CompletionResultType]::ParameterName, 'How it ended: all of it is there, or it was cut short')
            [CompletionResult]::new('--min-duration', '--min-duration', [CompletionResultType]::ParameterName, 'At least so long: 10s, 5m, 1h')
            [CompletionResult]::new('--max-duration', '--max-duration', [CompletionResultType]::ParameterName, 'At most so long')
            [CompletionResult]::new('--min-loss', '--min-loss', [CompletionResultType]::ParameterName, 'With at least so much of its packets lost on the way: 5, 0.5%')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'With this tag (`siprec archive tag`)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'The recording of this id; repeatable')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most so many, the latest')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a recording')
            [CompletionResult]::new('--faulty', '--faulty', [CompletionResultType]::ParameterName, 'Whose proof sheet shows a fault')
            [CompletionResult]::new('--held', '--held', [CompletionResultType]::ParameterName, 'Under a legal hold (`siprec archive hold`)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;erase' {
            [CompletionResult]::new('--reason', '--reason', [CompletionResultType]::ParameterName, 'Why, in words that name nobody: they stand in the certificate')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Started before then; a day is included as a whole')
            [CompletionResult]::new('--caller', '--caller', [CompletionResultType]::ParameterName, 'Part of the caller''s address, name or number, however it is written')
            [CompletionResult]::new('--callee', '--callee', [CompletionResultType]::ParameterName, 'The same of who was called')
            [CompletionResult]::new('--participant', '--participant', [CompletionResultType]::ParameterName, 'The same of anybody who took part')
            [CompletionResult]::new('--number-ends', '--number-ends', [CompletionResultType]::ParameterName, 'The last digits of the number of anybody who took part')
            [CompletionResult]::new('--text', '--text', [CompletionResultType]::ParameterName, 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so')
            [CompletionResult]::new('--call', '--call', [CompletionResultType]::ParameterName, 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'With a stream of this label')
            [CompletionResult]::new('--vendor', '--vendor', [CompletionResultType]::ParameterName, 'By an SRC of this vendor (oracle, cisco ...), or with this in its product''s name')
            [CompletionResult]::new('--state', '--state', [CompletionResultType]::ParameterName, 'How it ended: all of it is there, or it was cut short')
            [CompletionResult]::new('--min-duration', '--min-duration', [CompletionResultType]::ParameterName, 'At least so long: 10s, 5m, 1h')
            [CompletionResult]::new('--max-duration', '--max-duration', [CompletionResultType]::ParameterName, 'At most so long')
            [CompletionResult]::new('--min-loss', '--min-loss', [CompletionResultType]::ParameterName, 'With at least so much of its packets lost on the way: 5, 0.5%')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'With this tag (`siprec archive tag`)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'The recording of this id; repeatable')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most so many, the latest')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be erased')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a recording')
            [CompletionResult]::new('--faulty', '--faulty', [CompletionResultType]::ParameterName, 'Whose proof sheet shows a fault')
            [CompletionResult]::new('--held', '--held', [CompletionResultType]::ParameterName, 'Under a legal hold (`siprec archive hold`)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;expire' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be erased')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a recording')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;recompress' {
            [CompletionResult]::new('--older-than', '--older-than', [CompletionResultType]::ParameterName, 'What ended so long ago or longer: 30d, 12h; as archive.recompress_after has it where it is not given')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'flac (no sample changes) or opus (much smaller, and the samples are gone); as archive.recompress_to has it where it is not given')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be recompressed, and what waits')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a recording')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;new-key' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;rewrap' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;rebuild' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Show no progress, on a terminal either')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Show no progress, on a terminal either')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;verify' {
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Only those that started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d')
            [CompletionResult]::new('--public-key', '--public-key', [CompletionResultType]::ParameterName, 'The server''s siprec-proof.pub, from a place that you trust, instead of the one in the data directory')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--deep', '--deep', [CompletionResultType]::ParameterName, 'Open what is sealed as well, and fetch what storage targets have instead of asking for its length and checksum')
            [CompletionResult]::new('--mend', '--mend', [CompletionResultType]::ParameterName, 'Put right what can be: rows of the catalog, files that a target has, objects that a target lacks. Nothing is removed; a damaged file is kept as NAME.damaged')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object for each thing that is wrong, and one with the sums')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Show no progress, on a terminal either')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Show no progress, on a terminal either')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;audit' {
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Entries of then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Entries of before then; a day is included as a whole')
            [CompletionResult]::new('--action', '--action', [CompletionResultType]::ParameterName, 'Of this action (exported, erased, held ...); repeatable')
            [CompletionResult]::new('--recording', '--recording', [CompletionResultType]::ParameterName, 'About the recording of this id; repeatable')
            [CompletionResult]::new('--public-key', '--public-key', [CompletionResultType]::ParameterName, 'The server''s siprec-proof.pub, from a place that you trust, instead of the one in the data directory')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--verify', '--verify', [CompletionResultType]::ParameterName, 'Check that all of the log is as it was written and nothing is missing, instead of listing it')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object an entry; with --verify one in all')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;archive;help' {
            [CompletionResult]::new('outbox', 'outbox', [CompletionResultType]::ParameterValue, 'What waits for storage targets, and why; beside a running server or without one')
            [CompletionResult]::new('unfinished', 'unfinished', [CompletionResultType]::ParameterValue, 'Recordings that could not be made, and why; beside a running server or without one')
            [CompletionResult]::new('hold', 'hold', [CompletionResultType]::ParameterValue, 'Keep recordings from being deleted, whatever rule or order there is; a server may run')
            [CompletionResult]::new('release', 'release', [CompletionResultType]::ParameterValue, 'End holds')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Put tags on recordings, or take them off; a server may run')
            [CompletionResult]::new('erase', 'erase', [CompletionResultType]::ParameterValue, 'Erase recordings for good: here, in their journals, in the catalog and in all storage targets, with a signed certificate for each; a server may run')
            [CompletionResult]::new('expire', 'expire', [CompletionResultType]::ParameterValue, 'Erase what is older than storage.retention_days and storage.retention say, as a server does by itself')
            [CompletionResult]::new('recompress', 'recompress', [CompletionResultType]::ParameterValue, 'Replace WAV files that are old enough by FLAC or Opus, here and in all storage targets, with sheets that prove what they were made of; as a server does by itself with archive.recompress_after. A server may run')
            [CompletionResult]::new('new-key', 'new-key', [CompletionResultType]::ParameterValue, 'Make a master key for archive.seal')
            [CompletionResult]::new('rewrap', 'rewrap', [CompletionResultType]::ParameterValue, 'After a change of the master key: wrap all keys by the new one. No audio is touched; a server may run')
            [CompletionResult]::new('rebuild', 'rebuild', [CompletionResultType]::ParameterValue, 'Make the catalog anew from the proof sheets in the data directory, whose server must not run')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Whether all that is held is what it was: sheets, files, targets, catalog, journals, audit log; beside a running server or without one')
            [CompletionResult]::new('audit', 'audit', [CompletionResultType]::ParameterValue, 'Who did what to which recording: the audit log, listed or checked')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'siprec;archive;help;outbox' {
            break
        }
        'siprec;archive;help;unfinished' {
            break
        }
        'siprec;archive;help;hold' {
            break
        }
        'siprec;archive;help;release' {
            break
        }
        'siprec;archive;help;tag' {
            break
        }
        'siprec;archive;help;erase' {
            break
        }
        'siprec;archive;help;expire' {
            break
        }
        'siprec;archive;help;recompress' {
            break
        }
        'siprec;archive;help;new-key' {
            break
        }
        'siprec;archive;help;rewrap' {
            break
        }
        'siprec;archive;help;rebuild' {
            break
        }
        'siprec;archive;help;verify' {
            break
        }
        'siprec;archive;help;audit' {
            break
        }
        'siprec;archive;help;help' {
            break
        }
        'siprec;config' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Read the configuration as serve does, and say what is wrong with it')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print each value in effect and where it comes from, secrets masked')
            [CompletionResult]::new('example', 'example', [CompletionResultType]::ParameterValue, 'Print a file with every key at its default')
            [CompletionResult]::new('key', 'key', [CompletionResultType]::ParameterValue, 'Make keys for programs that use the API')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'siprec;config;check' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;config;show' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'As one JSON object')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;config;example' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;config;key' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Make a key, and print it with its row of auth.api_keys')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'siprec;config;key;new' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Whose it is, for the audit log')
            [CompletionResult]::new('--role', '--role', [CompletionResultType]::ParameterName, 'One of auth.roles; may be given again')
            [CompletionResult]::new('--expires', '--expires', [CompletionResultType]::ParameterName, 'The day from which it is refused, as 2027-01-31')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;config;key;help' {
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Make a key, and print it with its row of auth.api_keys')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'siprec;config;key;help;new' {
            break
        }
        'siprec;config;key;help;help' {
            break
        }
        'siprec;config;help' {
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Read the configuration as serve does, and say what is wrong with it')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print each value in effect and where it comes from, secrets masked')
            [CompletionResult]::new('example', 'example', [CompletionResultType]::ParameterValue, 'Print a file with every key at its default')
            [CompletionResult]::new('key', 'key', [CompletionResultType]::ParameterValue, 'Make keys for programs that use the API')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'siprec;config;help;check' {
            break
        }
        'siprec;config;help;show' {
            break
        }
        'siprec;config;help;example' {
            break
        }
        'siprec;config;help;key' {
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Make a key, and print it with its row of auth.api_keys')
            break
        }
        'siprec;config;help;key;new' {
            break
        }
        'siprec;config;help;help' {
            break
        }
        'siprec;doctor' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours: on a terminal, always or never')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file (YAML)')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a key of the configuration, as server.address=:5070; repeatable')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Keep journals, recordings and the catalog here (archive.data_dir)')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a check, then one with the sums')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only warnings and what failed')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only warnings and what failed')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'siprec;complete' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'siprec;help' {
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Record calls: SIP and RTP in, recordings out')
            [CompletionResult]::new('replay', 'replay', [CompletionResultType]::ParameterValue, 'Run captures (pcap, pcapng) through the recorder, offline and faster than life')
            [CompletionResult]::new('trace', 'trace', [CompletionResultType]::ParameterValue, 'Show what captures, journals and running servers hold: SIP ladders, metadata, RTP quality, why there is no audio; lint INVITEs')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Find recordings and copy them, verified')
            [CompletionResult]::new('tui', 'tui', [CompletionResultType]::ParameterValue, 'Watch a running server from a terminal: sessions, quality, alarms; pause, stop, search the archive')
            [CompletionResult]::new('archive', 'archive', [CompletionResultType]::ParameterValue, 'Look after a data directory: what is kept and erased, what waits for storage, what is damaged, the audit log, catalog, keys')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Check, show or print the configuration')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Whether this machine is as the configuration needs it: ports, firewall, kernel, clock, disk, targets, database, certificates')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'siprec;help;serve' {
            break
        }
        'siprec;help;replay' {
            break
        }
        'siprec;help;trace' {
            break
        }
        'siprec;help;export' {
            break
        }
        'siprec;help;tui' {
            break
        }
        'siprec;help;archive' {
            [CompletionResult]::new('outbox', 'outbox', [CompletionResultType]::ParameterValue, 'What waits for storage targets, and why; beside a running server or without one')
            [CompletionResult]::new('unfinished', 'unfinished', [CompletionResultType]::ParameterValue, 'Recordings that could not be made, and why; beside a running server or without one')
            [CompletionResult]::new('hold', 'hold', [CompletionResultType]::ParameterValue, 'Keep recordings from being deleted, whatever rule or order there is; a server may run')
            [CompletionResult]::new('release', 'release', [CompletionResultType]::ParameterValue, 'End holds')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Put tags on recordings, or take them off; a server may run')
            [CompletionResult]::new('erase', 'erase', [CompletionResultType]::ParameterValue, 'Erase recordings for good: here, in their journals, in the catalog and in all storage targets, with a signed certificate for each; a server may run')
            [CompletionResult]::new('expire', 'expire', [CompletionResultType]::ParameterValue, 'Erase what is older than storage.retention_days and storage.retention say, as a server does by itself')
            [CompletionResult]::new('recompress', 'recompress', [CompletionResultType]::ParameterValue, 'Replace WAV files that are old enough by FLAC or Opus, here and in all storage targets, with sheets that prove what they were made of; as a server does by itself with archive.recompress_after. A server may run')
            [CompletionResult]::new('new-key', 'new-key', [CompletionResultType]::ParameterValue, 'Make a master key for archive.seal')
            [CompletionResult]::new('rewrap', 'rewrap', [CompletionResultType]::ParameterValue, 'After a change of the master key: wrap all keys by the new one. No audio is touched; a server may run')
            [CompletionResult]::new('rebuild', 'rebuild', [CompletionResultType]::ParameterValue, 'Make the catalog anew from the proof sheets in the data directory, whose server must not run')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Whether all that is held is what it was: sheets, files, targets, catalog, journals, audit log; beside a running server or without one')
            [CompletionResult]::new('audit', 'audit', [CompletionResultType]::ParameterValue, 'Who did what to which recording: the audit log, listed or checked')
            break
        }
        'siprec;help;archive;outbox' {
            break
        }
        'siprec;help;archive;unfinished' {
            break
        }
        'siprec;help;archive;hold' {
            break
        }
        'siprec;help;archive;release' {
            break
        }
        'siprec;help;archive;tag' {
            break
        }
        'siprec;help;archive;erase' {
            break
        }
        'siprec;help;archive;expire' {
            break
        }
        'siprec;help;archive;recompress' {
            break
        }
        'siprec;help;archive;new-key' {
            break
        }
        'siprec;help;archive;rewrap' {
            break
        }
        'siprec;help;archive;rebuild' {
            break
        }
        'siprec;help;archive;verify' {
            break
        }
        'siprec;help;archive;audit' {
            break
        }
        'siprec;help;config' {
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Read the configuration as serve does, and say what is wrong with it')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print each value in effect and where it comes from, secrets masked')
            [CompletionResult]::new('example', 'example', [CompletionResultType]::ParameterValue, 'Print a file with every key at its default')
            [CompletionResult]::new('key', 'key', [CompletionResultType]::ParameterValue, 'Make keys for programs that use the API')
            break
        }
        'siprec;help;config;check' {
            break
        }
        'siprec;help;config;show' {
            break
        }
        'siprec;help;config;example' {
            break
        }
        'siprec;help;config;key' {
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Make a key, and print it with its row of auth.api_keys')
            break
        }
        'siprec;help;config;key;new' {
            break
        }
        'siprec;help;doctor' {
            break
        }
        'siprec;help;complete' {
            break
        }
        'siprec;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
