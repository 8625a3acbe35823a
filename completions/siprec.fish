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
complete -c siprec -n "__fish_siprec_needs_command" -l pprof-addr -r
complete -c siprec -n "__fish_siprec_needs_command" -l debug -d 'Log what an engineer wants to know (logging.level: debug)'
complete -c siprec -n "__fish_siprec_needs_command" -l sip-trace -d 'Show each SIP message in the log, secrets blanked'
complete -c siprec -n "__fish_siprec_needs_command" -l pprof
complete -c siprec -n "__fish_siprec_needs_command" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_needs_command" -s V -l version -d 'Print version'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "serve" -d 'Record calls: SIP and RTP in, recordings out'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "replay" -d 'Run captures (pcap, pcapng) through the recorder, offline and faster than life'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "export" -d 'Find recordings and copy them, verified'
complete -c siprec -n "__fish_siprec_needs_command" -f -a "config" -d 'Check, show or print the configuration'
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
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l pprof-addr -r
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l debug -d 'Log what an engineer wants to know (logging.level: debug)'
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l sip-trace -d 'Show each SIP message in the log, secrets blanked'
complete -c siprec -n "__fish_siprec_using_subcommand serve" -l pprof
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
complete -c siprec -n "__fish_siprec_using_subcommand replay" -l tls-insecure -d 'Take any certificate: for tests only'
complete -c siprec -n "__fish_siprec_using_subcommand replay" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand export" -l to -d 'Copy recordings and their sidecars here, verified, keeping YYYY/MM/DD' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand export" -l as -d 'Render again from the journal, in this form, instead of copying' -r -f -a "wav\t'16-bit samples in WAV'
wav-g711\t'G.711 in WAV as it came, where all of a file is of one law'
flac\t'FLAC'
opus\t'Opus in Ogg'
json\t'The proof sheet alone'
pcap\t'Signalling and packets, for Wireshark'"
complete -c siprec -n "__fish_siprec_using_subcommand export" -l layout -d 'How voices are laid out in files that are rendered again; as recording.layout has it where it is not given' -r -f -a "stereo\t'Caller left, callee right'
mono\t'Everybody in one channel'
separate\t'A file a participant'"
complete -c siprec -n "__fish_siprec_using_subcommand export" -l verify -d 'Tell whether recordings are what their server signed: below a folder, of a sheet, or of a file; needs no server. Repeatable' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand export" -l public-key -d 'The server\'s siprec-proof.pub, from a place that you trust; repeatable. Without it, keys beside the recordings count, which only tell that all belongs together' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand export" -s c -l config -d 'Read this configuration file (YAML)' -r -F
complete -c siprec -n "__fish_siprec_using_subcommand export" -l set -d 'Set a key of the configuration, as server.address=:5070; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l data-dir -d 'Keep journals, recordings and the catalog here (archive.data_dir)' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l since -d 'Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l until -d 'Started before then; a day is included as a whole' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l caller -d 'Part of the caller\'s address, name or number, however it is written' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l callee -d 'The same of who was called' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l participant -d 'The same of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l number-ends -d 'The last digits of the number of anybody who took part' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l call -d 'An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l label -d 'With a stream of this label' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l vendor -d 'By an SRC of this vendor (oracle, cisco ...), or with this in its product\'s name' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l state -d 'How it ended: all of it is there, or it was cut short' -r -f -a "complete\t''
interrupted\t''"
complete -c siprec -n "__fish_siprec_using_subcommand export" -l min-duration -d 'At least so long: 10s, 5m, 1h' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l max-duration -d 'At most so long' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l min-loss -d 'With at least so much of its packets lost on the way: 5, 0.5%' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l id -d 'The recording of this id; repeatable' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l limit -d 'At most so many, the latest' -r
complete -c siprec -n "__fish_siprec_using_subcommand export" -l dry-run -d 'Only list what matches'
complete -c siprec -n "__fish_siprec_using_subcommand export" -l json -d 'Print one JSON object a recording'
complete -c siprec -n "__fish_siprec_using_subcommand export" -l faulty -d 'Whose proof sheet shows a fault'
complete -c siprec -n "__fish_siprec_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -s h -l help -d 'Print help'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -f -a "check" -d 'Read the configuration as serve does, and say what is wrong with it'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -f -a "show" -d 'Print each value in effect and where it comes from, secrets masked'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -f -a "example" -d 'Print a file with every key at its default'
complete -c siprec -n "__fish_siprec_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
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
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Read the configuration as serve does, and say what is wrong with it'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print each value in effect and where it comes from, secrets masked'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "example" -d 'Print a file with every key at its default'
complete -c siprec -n "__fish_siprec_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay export config help" -f -a "serve" -d 'Record calls: SIP and RTP in, recordings out'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay export config help" -f -a "replay" -d 'Run captures (pcap, pcapng) through the recorder, offline and faster than life'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay export config help" -f -a "export" -d 'Find recordings and copy them, verified'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay export config help" -f -a "config" -d 'Check, show or print the configuration'
complete -c siprec -n "__fish_siprec_using_subcommand help; and not __fish_seen_subcommand_from serve replay export config help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Read the configuration as serve does, and say what is wrong with it'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Print each value in effect and where it comes from, secrets masked'
complete -c siprec -n "__fish_siprec_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "example" -d 'Print a file with every key at its default'
