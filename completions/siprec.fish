# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_siprec_global_optspecs
    string join \n c/config= set= data-dir= debug log-level= log-format= sip-trace sip-trace-file= pprof pprof-addr= h/help V/version
end

function __fish_siprec_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_siprec_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_siprec_using_subcommand
    set -l cmd (__fish_siprec_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c siprec -n "__fish_siprec_needs_command" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_needs_command" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_needs_command" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_needs_command" -l log-level -d 'Log this much (logging.level); wins over --debug' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c siprec -n "__fish_siprec_needs_command" -l log-format -d 'Log lines as text or JSON (logging.format)' -r -f -a "text\t''
json\t''"
complete -c siprec -n "__fish_siprec_needs_command" -l sip-trace-file -d 'Write each SIP message to a capture that Wireshark opens, secrets blanked' -r -F
complete -c siprec -n "__fish_siprec_needs_command" -l pprof-addr -d 'Serve them on this loopback address; without an IP, as :6060, it is 127.0.0.1' -r
complete -c siprec -n "__fish_siprec_needs_command" -l debug -d 'Log what an engineer wants to know (logging.level: debug)'
complete -c siprec -n "__fish_siprec_needs_command" -l sip-trace -d 'Show each SIP message in the log, secrets blanked'
complete -c siprec -n "__fish_siprec_needs_command" -l pprof -d 'Serve profiles to this machine: http://127.0.0.1:6060/debug/pprof/ (processor time, flame graph, heap)'
complete -c siprec -n "__fish_siprec_needs_command" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_needs_command" -s V -l version -d 'Print version'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "serve" -d 'Record calls: SIP and RTP in, recordings out'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "replay" -d 'Run captures (pcap, pcapng) through the recorder, offline and faster than life'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "trace" -d 'Show what captures, journals and running servers hold: SIP ladders, metadata, RTP quality, why there is no audio; lint INVITEs'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "export" -d 'Find recordings and copy them, verified'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "tui" -d 'Watch a running server from a terminal: sessions, quality, alarms; pause, stop, search the archive'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "archive" -d 'Look after a data directory: what is kept and erased, what waits for storage, what is damaged, the audit log, catalog, keys'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "config" -d 'Check, show or print the configuration'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "doctor" -d 'Whether this machine is as the configuration needs it: ports, firewall, kernel, clock, disk, targets, database, certificates'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "complete" -d 'Ids of recordings and sessions, for the completion of shells'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c siprec -n "__fish_siprec_using_subcommand serve" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l log-level -d 'Log this much (logging.level); wins over --debug' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l log-format -d 'Log lines as text or JSON (logging.format)' -r -f -a "text\t''
json\t''"
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l sip-trace-file -d 'Write each SIP message to a capture that Wireshark opens, secrets blanked' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l pprof-addr -d 'Serve them on this loopback address; without an IP, as :6060, it is 127.0.0.1' -r
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l debug -d 'Log what an engineer wants to know (logging.level: debug)'
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l sip-trace -d 'Show each SIP message in the log, secrets blanked'
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l pprof -d 'Serve profiles to this machine: http://127.0.0.1:6060/debug/pprof/ (processor time, flame graph, heap)'
complete -c siprec -n "__fish_siprec_using_subcommand serve" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand replay" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l to -d 'Play to this server as a session recording client: sip:HOST:PORT, sip:HOST;transport=tcp, sips:HOST' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l tone -d 'Without FILE: say these tones, Hz, a leg each' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l wav -d 'Without FILE: say these WAV files over and over, a leg each' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l codec -d 'Without FILE: how it is coded' -r -f -a "pcma\t''
pcmu\t''
l16\t''"
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l legs -d 'Without FILE: streams of a call' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l calls -d 'Make so many calls; those of FILE in turn [default: 1, or each of FILE once]' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l rate -d 'Begin so many calls a second' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l duration -d 'End a call so long after its answer: 90, 30s, 5m [default: 10s, or as in FILE]' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l speed -d 'Play so many times as fast as life' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l hold -d 'Without FILE: hold a call so long after its answer, for so long: 3s,2s' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l transfer -d 'Without FILE: another participant comes for the last one, so long after the answer (a metadata update)' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l loss -d 'Leave out so many of 100 packets' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l jitter -d 'Delay packets by up to this, in order: 30ms' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l reorder -d 'Send so many of 100 packets behind the next one' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l skew -d 'Let the sender\'s clock be fast by so many parts per million, or slow: -50' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l srtp -d 'Send SRTP under keys of our own (SDES): AES_CM_128_HMAC_SHA1_80, AEAD_AES_256_GCM ...' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l user -d 'Answer challenges (401, 407) as this user; the password from --password-file or $SIPREC_REPLAY_PASSWORD' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l password-file -d 'Read the password from the first line of this file' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l tls-ca -d 'Judge the server\'s certificate by these CAs (PEM) instead of the machine\'s' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l tls-cert -d 'Show the server this certificate (PEM)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l tls-key -d 'Its private key (PEM)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l local -d 'Send from this address' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l seed -d 'Draw all that is random from this number: tags, keys, losses come again' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l threads -d 'Threads that send media: one for each 100,000 packets a second' -r
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l json -d 'Print JSON: an object a recording, or with --to one report'
complete -c siprec -n "__fish_siprec_using_subcommand replay" -s q -l quiet -d 'Show no progress, on a terminal either'
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l tls-insecure -d 'Take any certificate: for tests only'
complete -c siprec -n "__fish_siprec_using_subcommand replay" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l server -d 'Instead of files, a running server, by its API: the SIP of what it records now (takes the permission `manage`); without a URL the one on this machine, where the configuration has it' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l token -d 'What shows that server who asks: an API key, or a token of its issuer; SIPREC_TOKEN says the same, unseen by other users' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l session -d 'Only this session of the server\'s, also one that is over as long as its journal is kept; a recording\'s id shows its packets, RTP and all (takes `export`); repeatable' -x -a "(siprec complete sessions -- (commandline -opc) 2>/dev/null)"
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l call -d 'Only the call with this Call-ID, or with this communication session; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l party -d 'Only calls of this number, address or name, or a part of it; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l address -d 'Only calls with messages or media of this host; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l method -d 'Only calls with this method, and of their messages only those; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l status -d 'Only calls with this status, and of their messages only those: 486, 4xx; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l since -d 'Only messages since then: 2026-11-30, 2026-11-30T10:30:00Z, yesterday, 2h' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l until -d 'Only messages until then' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l write -d 'Write the packets of the calls that match (SIP, RTP, RTCP) to this file; SIP over TCP as one packet a message' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l keylog -d 'Read SIP over TLS with the keys of this file (SSLKEYLOGFILE)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l anonymise -d 'Write a capture of all that is SIP, RTP and RTCP in which numbers, names, addresses, keys and audio are replaced, the same everywhere; it replays as the original does, and what is left out of it is told' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l color -d 'Colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In a pipe, too'
never\t'None'"
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l width -d 'Columns of a ladder; those of the terminal, else 100' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand trace" -s f -l follow -d 'Go on: print each message of the server\'s as it comes, a line each; in full with --messages, as JSON lines with --json'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -s i -l interactive -d 'Look through calls, ladders, messages and streams on this terminal, by keys'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l list -d 'A line a message'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l messages -d 'Messages in full, their secrets blanked'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l rtp -d 'All that is known of each RTP stream'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l mermaid -d 'A sequence diagram in Mermaid\'s language'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l svg -d 'The ladder as a picture'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l lint -d 'Say of each INVITE, re-INVITE and UPDATE of an SRC who made it, what is wrong with it and how to mend it, and what the server would answer; exit code 1 if there are errors'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -l json -d 'Print JSON, an object a line: messages, sessions and streams; with --list or --messages, --rtp, --lint only those'
complete -c siprec -n "__fish_siprec_using_subcommand trace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c siprec -n "__fish_siprec_using_subcommand export" -l to -d 'Copy recordings and their sidecars here, verified, keeping YYYY/MM/DD: a folder, s3://BUCKET/PREFIX, az://ACCOUNT/CONTAINER/PREFIX or gs://BUCKET/PREFIX (as storage has it), or - for the audio of one on standard output' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l as -d 'Not a copy, but this form: rendered again from the journal, or (vcon) audio and proof sheet in one file' -r -f -a "wav\t'16-bit samples in WAV'
wav-g711\t'G.711 in WAV as it came, where all of a file is of one law'
flac\t'FLAC'
opus\t'Opus in Ogg'
json\t'The proof sheet alone'
pcap\t'Signalling and packets, for Wireshark'
vcon\t'A vCon (draft-ietf-vcon-vcon-core): who spoke when, audio, metadata and proof sheet, in JSON'"
complete -c siprec -n "__fish_siprec_using_subcommand export" -l vcon-audio -d 'Where the audio of vCons is: inline, external (in files beside them, named and hashed), or the https:// URL that those files can be had under' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -s j -l jobs -d 'So many recordings at a time, up to 64; by default as many as there are processors, 8 at most. What is printed is in the catalog\'s order however many there are' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l layout -d 'How voices are laid out in files that are rendered again; as recording.layout has it where it is not given' -r -f -a "stereo\t'Caller left, callee right'
mono\t'Everybody in one channel'
separate\t'A file a participant'"
complete -c siprec -n "__fish_siprec_using_subcommand export" -l verify -d 'Tell whether recordings are what their server signed: below a folder, of a sheet, of a file, or signed vCons; needs no server. Repeatable' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand export" -l public-key -d 'The server\'s siprec-proof.pub, from a place that you trust; repeatable. Without it, keys beside the recordings count, which only tell that all belongs together' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand export" -l server -d 'From a running server, by its API, instead of the data directory: http://127.0.0.1:8080, https://srs.example.com' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l token -d 'What shows that server who asks: an API key, or a token of its issuer; SIPREC_TOKEN says the same, unseen by other users' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand export" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l since -d 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l until -d 'Started before then; a day is included as a whole' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l caller -d 'Part of the caller\'s address, name or number, however it is written' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l callee -d 'The same of who was called' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l participant -d 'The same of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l number-ends -d 'The last digits of the number of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l text -d 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l call -d 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l label -d 'With a stream of this label' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l vendor -d 'By an SRC of this vendor (oracle, cisco ...), or with this in its product\'s name' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l state -d 'How it ended: all of it is there, or it was cut short' -r -f -a "complete\t''
interrupted\t''"
complete -c siprec -n "__fish_siprec_using_subcommand export" -l min-duration -d 'At least so long: 10s, 5m, 1h' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l max-duration -d 'At most so long' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l min-loss -d 'With at least so much of its packets lost on the way: 5, 0.5%' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l tag -d 'With this tag (`siprec archive tag`)' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l id -d 'The recording of this id; repeatable' -x -a "(siprec complete recordings -- (commandline -opc) 2>/dev/null)"
complete -c siprec -n "__fish_siprec_using_subcommand export" -l limit -d 'At most so many, the latest' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l sign -d 'Sign vCons with the server\'s proof key (JWS, Ed25519)'
complete -c siprec -n "__fish_siprec_using_subcommand export" -l prune -d 'Remove from the folder what is left there of recordings that the archive has recompressed since: files that their sheets name as those of before, where they are still these to the octet. Without it they stay, and are told'
complete -c siprec -n "__fish_siprec_using_subcommand export" -l dry-run -d 'Only list what matches'
complete -c siprec -n "__fish_siprec_using_subcommand export" -l json -d 'Print one JSON object a recording'
complete -c siprec -n "__fish_siprec_using_subcommand export" -s q -l quiet -d 'Show no progress, on a terminal either'
complete -c siprec -n "__fish_siprec_using_subcommand export" -l faulty -d 'Whose proof sheet shows a fault'
complete -c siprec -n "__fish_siprec_using_subcommand export" -l held -d 'Under a legal hold (`siprec archive hold`)'
complete -c siprec -n "__fish_siprec_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c siprec -n "__fish_siprec_using_subcommand tui" -l server -d 'The server\'s API' -r
complete -c siprec -n "__fish_siprec_using_subcommand tui" -l token -d 'What shows that server who asks: an API key, or a token of its issuer; SIPREC_TOKEN says the same, unseen by other users' -r
complete -c siprec -n "__fish_siprec_using_subcommand tui" -l theme -d 'Its colours; where it is not given, those of the terminal, or none where NO_COLOR is set' -r -f -a "colour\t'The terminal\'s own sixteen colours'
contrast\t'Bright on black'
mono\t'No colours'"
complete -c siprec -n "__fish_siprec_using_subcommand tui" -l read-only -d 'Look only: no key changes anything on the server'
complete -c siprec -n "__fish_siprec_using_subcommand tui" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "outbox" -d 'What waits for storage targets, and why; beside a running server or without one'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "unfinished" -d 'Recordings that could not be made, and why; beside a running server or without one'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "hold" -d 'Keep recordings from being deleted, whatever rule or order there is; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "release" -d 'End holds'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "tag" -d 'Put tags on recordings, or take them off; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "erase" -d 'Erase recordings for good: here, in their journals, in the catalog and in all storage targets, with a signed certificate for each; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "expire" -d 'Erase what is older than storage.retention_days and storage.retention say, as a server does by itself'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "recompress" -d 'Replace WAV files that are old enough by FLAC or Opus, here and in all storage targets, with sheets that prove what they were made of; as a server does by itself with archive.recompress_after. A server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "new-key" -d 'Make a master key for archive.seal'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "rewrap" -d 'After a change of the master key: wrap all keys by the new one. No audio is touched; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "rebuild" -d 'Make the catalog anew from the proof sheets in the data directory, whose server must not run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "verify" -d 'Whether all that is held is what it was: sheets, files, targets, catalog, journals, audit log; beside a running server or without one'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "audit" -d 'Who did what to which recording: the audit log, listed or checked'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and not __fish_seen_subcommand_from outbox unfinished hold release tag erase expire recompress new-key rewrap rebuild verify audit help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from outbox" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from outbox" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from outbox" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from outbox" -l retry -d 'Have what failed tried again now'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from outbox" -l json -d 'Print one JSON object a target, then one a recording that failed'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from outbox" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from unfinished" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from unfinished" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from unfinished" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from unfinished" -l retry -d 'Have them tried again now'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from unfinished" -l json -d 'Print one JSON object a session'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from unfinished" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l reason -d 'The matter, in your words; a recording may be held for several' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l since -d 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l until -d 'Started before then; a day is included as a whole' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l caller -d 'Part of the caller\'s address, name or number, however it is written' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l callee -d 'The same of who was called' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l participant -d 'The same of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l number-ends -d 'The last digits of the number of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l text -d 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l call -d 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l label -d 'With a stream of this label' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l vendor -d 'By an SRC of this vendor (oracle, cisco ...), or with this in its product\'s name' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l state -d 'How it ended: all of it is there, or it was cut short' -r -f -a "complete\t''
interrupted\t''"
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l min-duration -d 'At least so long: 10s, 5m, 1h' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l max-duration -d 'At most so long' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l min-loss -d 'With at least so much of its packets lost on the way: 5, 0.5%' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l tag -d 'With this tag (`siprec archive tag`)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l id -d 'The recording of this id; repeatable' -x -a "(siprec complete recordings -- (commandline -opc) 2>/dev/null)"
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l limit -d 'At most so many, the latest' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l json -d 'Print one JSON object a recording'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l faulty -d 'Whose proof sheet shows a fault'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -l held -d 'Under a legal hold (`siprec archive hold`)'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from hold" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l reason -d 'End the hold for this matter' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l since -d 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l until -d 'Started before then; a day is included as a whole' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l caller -d 'Part of the caller\'s address, name or number, however it is written' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l callee -d 'The same of who was called' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l participant -d 'The same of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l number-ends -d 'The last digits of the number of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l text -d 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l call -d 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l label -d 'With a stream of this label' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l vendor -d 'By an SRC of this vendor (oracle, cisco ...), or with this in its product\'s name' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l state -d 'How it ended: all of it is there, or it was cut short' -r -f -a "complete\t''
interrupted\t''"
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l min-duration -d 'At least so long: 10s, 5m, 1h' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l max-duration -d 'At most so long' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l min-loss -d 'With at least so much of its packets lost on the way: 5, 0.5%' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l tag -d 'With this tag (`siprec archive tag`)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l id -d 'The recording of this id; repeatable' -x -a "(siprec complete recordings -- (commandline -opc) 2>/dev/null)"
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l limit -d 'At most so many, the latest' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l all -d 'End all holds'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l json -d 'Print one JSON object a recording'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l faulty -d 'Whose proof sheet shows a fault'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -l held -d 'Under a legal hold (`siprec archive hold`)'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from release" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l add -d 'Put this tag on; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l remove -d 'Take this tag off; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l since -d 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l until -d 'Started before then; a day is included as a whole' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l caller -d 'Part of the caller\'s address, name or number, however it is written' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l callee -d 'The same of who was called' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l participant -d 'The same of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l number-ends -d 'The last digits of the number of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l text -d 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l call -d 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l label -d 'With a stream of this label' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l vendor -d 'By an SRC of this vendor (oracle, cisco ...), or with this in its product\'s name' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l state -d 'How it ended: all of it is there, or it was cut short' -r -f -a "complete\t''
interrupted\t''"
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l min-duration -d 'At least so long: 10s, 5m, 1h' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l max-duration -d 'At most so long' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l min-loss -d 'With at least so much of its packets lost on the way: 5, 0.5%' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l tag -d 'With this tag (`siprec archive tag`)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l id -d 'The recording of this id; repeatable' -x -a "(siprec complete recordings -- (commandline -opc) 2>/dev/null)"
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l limit -d 'At most so many, the latest' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l json -d 'Print one JSON object a recording'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l faulty -d 'Whose proof sheet shows a fault'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -l held -d 'Under a legal hold (`siprec archive hold`)'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l reason -d 'Why, in words that name nobody: they stand in the certificate' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l since -d 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l until -d 'Started before then; a day is included as a whole' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l caller -d 'Part of the caller\'s address, name or number, however it is written' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l callee -d 'The same of who was called' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l participant -d 'The same of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l number-ends -d 'The last digits of the number of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l text -d 'Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l call -d 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l label -d 'With a stream of this label' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l vendor -d 'By an SRC of this vendor (oracle, cisco ...), or with this in its product\'s name' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l state -d 'How it ended: all of it is there, or it was cut short' -r -f -a "complete\t''
interrupted\t''"
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l min-duration -d 'At least so long: 10s, 5m, 1h' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l max-duration -d 'At most so long' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l min-loss -d 'With at least so much of its packets lost on the way: 5, 0.5%' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l tag -d 'With this tag (`siprec archive tag`)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l id -d 'The recording of this id; repeatable' -x -a "(siprec complete recordings -- (commandline -opc) 2>/dev/null)"
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l limit -d 'At most so many, the latest' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l dry-run -d 'Only say what would be erased'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -s y -l yes -d 'Do not ask'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l json -d 'Print one JSON object a recording'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l faulty -d 'Whose proof sheet shows a fault'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -l held -d 'Under a legal hold (`siprec archive hold`)'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from erase" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from expire" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from expire" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from expire" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from expire" -l dry-run -d 'Only say what would be erased'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from expire" -s y -l yes -d 'Do not ask'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from expire" -l json -d 'Print one JSON object a recording'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from expire" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from recompress" -l older-than -d 'What ended so long ago or longer: 30d, 12h; as archive.recompress_after has it where it is not given' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from recompress" -l to -d 'flac (no sample changes) or opus (much smaller, and the samples are gone); as archive.recompress_to has it where it is not given' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from recompress" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from recompress" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from recompress" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from recompress" -l dry-run -d 'Only say what would be recompressed, and what waits'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from recompress" -l json -d 'Print one JSON object a recording'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from recompress" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from new-key" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from new-key" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from new-key" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from new-key" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rewrap" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rewrap" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rewrap" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rewrap" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rebuild" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rebuild" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rebuild" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rebuild" -l json -d 'Print one JSON object'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rebuild" -s q -l quiet -d 'Show no progress, on a terminal either'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from rebuild" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -l since -d 'Only those that started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -l public-key -d 'The server\'s siprec-proof.pub, from a place that you trust, instead of the one in the data directory' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -l deep -d 'Open what is sealed as well, and fetch what storage targets have instead of asking for its length and checksum'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -l mend -d 'Put right what can be: rows of the catalog, files that a target has, objects that a target lacks. Nothing is removed; a damaged file is kept as NAME.damaged'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -l json -d 'Print one JSON object for each thing that is wrong, and one with the sums'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Show no progress, on a terminal either'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -l since -d 'Entries of then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -l until -d 'Entries of before then; a day is included as a whole' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -l action -d 'Of this action (exported, erased, held ...); repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -l recording -d 'About the recording of this id; repeatable' -x -a "(siprec complete recordings -- (commandline -opc) 2>/dev/null)"
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -l public-key -d 'The server\'s siprec-proof.pub, from a place that you trust, instead of the one in the data directory' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -l verify -d 'Check that all of the log is as it was written and nothing is missing, instead of listing it'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -l json -d 'Print one JSON object an entry; with --verify one in all'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from audit" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "outbox" -d 'What waits for storage targets, and why; beside a running server or without one'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "unfinished" -d 'Recordings that could not be made, and why; beside a running server or without one'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "hold" -d 'Keep recordings from being deleted, whatever rule or order there is; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "release" -d 'End holds'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "tag" -d 'Put tags on recordings, or take them off; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "erase" -d 'Erase recordings for good: here, in their journals, in the catalog and in all storage targets, with a signed certificate for each; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "expire" -d 'Erase what is older than storage.retention_days and storage.retention say, as a server does by itself'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "recompress" -d 'Replace WAV files that are old enough by FLAC or Opus, here and in all storage targets, with sheets that prove what they were made of; as a server does by itself with archive.recompress_after. A server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "new-key" -d 'Make a master key for archive.seal'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "rewrap" -d 'After a change of the master key: wrap all keys by the new one. No audio is touched; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "rebuild" -d 'Make the catalog anew from the proof sheets in the data directory, whose server must not run'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Whether all that is held is what it was: sheets, files, targets, catalog, journals, audit log; beside a running server or without one'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "audit" -d 'Who did what to which recording: the audit log, listed or checked'
complete -c siprec -n "__fish_siprec_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example key help" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example key help" -f -a "check" -d 'Read the configuration as serve does, and say what is wrong with it'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example key help" -f -a "show" -d 'Print each value in effect and where it comes from, secrets masked'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example key help" -f -a "example" -d 'Print a file with every key at its default'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example key help" -f -a "key" -d 'Make keys for programs that use the API'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example key help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from check" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from check" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from check" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from show" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from show" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from show" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'As one JSON object'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from example" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from key" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from key" -f -a "new" -d 'Make a key, and print it with its row of auth.api_keys'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from key" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Read the configuration as serve does, and say what is wrong with it'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print each value in effect and where it comes from, secrets masked'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "example" -d 'Print a file with every key at its default'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "key" -d 'Make keys for programs that use the API'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c siprec -n "__fish_siprec_using_subcommand doctor" -l color -d 'Colours: on a terminal, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In a pipe, too'
never\t'None'"
complete -c siprec -n "__fish_siprec_using_subcommand doctor" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand doctor" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand doctor" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand doctor" -l json -d 'Print one JSON object a check, then one with the sums'
complete -c siprec -n "__fish_siprec_using_subcommand doctor" -s q -l quiet -d 'Print only warnings and what failed'
complete -c siprec -n "__fish_siprec_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c siprec -n "__fish_siprec_using_subcommand complete" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "serve" -d 'Record calls: SIP and RTP in, recordings out'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "replay" -d 'Run captures (pcap, pcapng) through the recorder, offline and faster than life'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "trace" -d 'Show what captures, journals and running servers hold: SIP ladders, metadata, RTP quality, why there is no audio; lint INVITEs'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "export" -d 'Find recordings and copy them, verified'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "tui" -d 'Watch a running server from a terminal: sessions, quality, alarms; pause, stop, search the archive'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "archive" -d 'Look after a data directory: what is kept and erased, what waits for storage, what is damaged, the audit log, catalog, keys'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "config" -d 'Check, show or print the configuration'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "doctor" -d 'Whether this machine is as the configuration needs it: ports, firewall, kernel, clock, disk, targets, database, certificates'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "complete" -d 'Ids of recordings and sessions, for the completion of shells'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay trace export tui archive config doctor complete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "outbox" -d 'What waits for storage targets, and why; beside a running server or without one'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "unfinished" -d 'Recordings that could not be made, and why; beside a running server or without one'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "hold" -d 'Keep recordings from being deleted, whatever rule or order there is; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "release" -d 'End holds'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "tag" -d 'Put tags on recordings, or take them off; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "erase" -d 'Erase recordings for good: here, in their journals, in the catalog and in all storage targets, with a signed certificate for each; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "expire" -d 'Erase what is older than storage.retention_days and storage.retention say, as a server does by itself'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "recompress" -d 'Replace WAV files that are old enough by FLAC or Opus, here and in all storage targets, with sheets that prove what they were made of; as a server does by itself with archive.recompress_after. A server may run'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "new-key" -d 'Make a master key for archive.seal'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "rewrap" -d 'After a change of the master key: wrap all keys by the new one. No audio is touched; a server may run'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "rebuild" -d 'Make the catalog anew from the proof sheets in the data directory, whose server must not run'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "verify" -d 'Whether all that is held is what it was: sheets, files, targets, catalog, journals, audit log; beside a running server or without one'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "audit" -d 'Who did what to which recording: the audit log, listed or checked'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Read the configuration as serve does, and say what is wrong with it'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Print each value in effect and where it comes from, secrets masked'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "example" -d 'Print a file with every key at its default'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "key" -d 'Make keys for programs that use the API'
