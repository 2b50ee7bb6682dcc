# Completion of kq for bash. Written by `kq completion bash`; do not edit.
_kq_names() {
    local args=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${COMP_WORDS[i]}" in
        -b | --bootstrap | -C | --profile) args+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    kq completion "--$1-names" "${args[@]}" 2>/dev/null
}
_kq() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD - 1]}"
    local path="" words="" names="" skip="" i kind
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ -n $skip ]]; then skip=""; continue; fi
        case "${COMP_WORDS[i]}" in
        --acks|--advertise|--bootstrap|--broker|--by|--by-duration|--compression|--config|--count|--data-dir|--decode|--delimiter|--exec|--export|--format|--from-file|--from-group|--grep|--group|--header|--into|--key|--key-delimiter|--lag|--listen|--offset|--output|--partition|--partitions|--profile|--rate|--replication-factor|--report|--sample|--section|--shift-by|--size|--sort|--state|--tail|--timeout|--timestamp|--to|--to-datetime|--to-offset|--topic|--type|--unset|--watch|-C|-D|-G|-H|-K|-X|-b|-c|-f|-g|-k|-n|-o|-p|-r|-s|-t|-z) skip=1 ;;
        -*) ;;
        *)
            case "${path:+$path }${COMP_WORDS[i]}" in
            "broker"|"brokers") path="broker" ;;
            "broker start"|"brokers start") path="broker start" ;;
            "broker stop"|"brokers stop") path="broker stop" ;;
            "broker status"|"brokers status") path="broker status" ;;
            "broker logs"|"brokers logs") path="broker logs" ;;
            "demo") path="demo" ;;
            "produce") path="produce" ;;
            "consume") path="consume" ;;
            "topic"|"topics") path="topic" ;;
            "topic list"|"topic ls"|"topics list"|"topics ls") path="topic list" ;;
            "topic describe"|"topic desc"|"topics describe"|"topics desc") path="topic describe" ;;
            "topic offsets"|"topics offsets") path="topic offsets" ;;
            "topic create"|"topics create") path="topic create" ;;
            "topic alter"|"topics alter") path="topic alter" ;;
            "topic delete"|"topic rm"|"topics delete"|"topics rm") path="topic delete" ;;
            "topic trim"|"topic delete-records"|"topics trim"|"topics delete-records") path="topic trim" ;;
            "groups"|"group") path="groups" ;;
            "groups list"|"groups ls"|"group list"|"group ls") path="groups list" ;;
            "groups describe"|"groups desc"|"group describe"|"group desc") path="groups describe" ;;
            "groups peek"|"group peek") path="groups peek" ;;
            "groups history"|"group history") path="groups history" ;;
            "groups delete"|"groups rm"|"group delete"|"group rm") path="groups delete" ;;
            "groups delete-offsets"|"group delete-offsets") path="groups delete-offsets" ;;
            "reset-offsets") path="reset-offsets" ;;
            "wait") path="wait" ;;
            "bench") path="bench" ;;
            "bench produce") path="bench produce" ;;
            "bench consume") path="bench consume" ;;
            "cluster"|"clusters") path="cluster" ;;
            "cluster info"|"clusters info") path="cluster info" ;;
            "cluster api-versions"|"clusters api-versions") path="cluster api-versions" ;;
            "cluster log-dirs"|"clusters log-dirs") path="cluster log-dirs" ;;
            "config"|"configs") path="config" ;;
            "config list"|"config ls"|"configs list"|"configs ls") path="config list" ;;
            "config describe"|"config desc"|"configs describe"|"configs desc") path="config describe" ;;
            "config alter"|"configs alter") path="config alter" ;;
            "profile"|"profiles") path="profile" ;;
            "profile list"|"profile ls"|"profiles list"|"profiles ls") path="profile list" ;;
            "profile use"|"profiles use") path="profile use" ;;
            "profile show"|"profiles show") path="profile show" ;;
            "profile edit"|"profiles edit") path="profile edit" ;;
            "completion") path="completion" ;;
            esac ;;
        esac
    done
    case "$prev" in
        --acks) COMPREPLY=($(compgen -W "0 1 all" -- "$cur")); return ;;
        --section) COMPREPLY=($(compgen -W "partitions settings" -- "$cur")); return ;;
        -z|--compression) COMPREPLY=($(compgen -W "none gzip snappy lz4 zstd" -- "$cur")); return ;;
        -t|--topic) COMPREPLY=($(compgen -W "$(_kq_names topic)" -- "$cur")); return ;;
        -g|--group|--from-group) COMPREPLY=($(compgen -W "$(_kq_names group)" -- "$cur")); return ;;
        -C|--profile) COMPREPLY=($(compgen -W "$(kq profile list --names -q 2>/dev/null)" -- "$cur")); return ;;
        --acks|--advertise|--bootstrap|--broker|--by|--by-duration|--compression|--config|--count|--data-dir|--decode|--delimiter|--exec|--export|--format|--from-file|--from-group|--grep|--group|--header|--into|--key|--key-delimiter|--lag|--listen|--offset|--output|--partition|--partitions|--profile|--rate|--replication-factor|--report|--sample|--section|--shift-by|--size|--sort|--state|--tail|--timeout|--timestamp|--to|--to-datetime|--to-offset|--topic|--type|--unset|--watch|-C|-D|-G|-H|-K|-X|-b|-c|-f|-g|-k|-n|-o|-p|-r|-s|-t|-z) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    esac
    case "$path" in
        "") words="broker demo produce consume topic groups reset-offsets wait bench cluster config profile completion" ;;
        "broker") words="start stop status logs" ;;
        "broker start") words="--data-dir --listen --advertise -s --config -d --detach --json -q --quiet -v --verbose --no-color --help" ;;
        "broker stop") words="--data-dir --timeout --json -q --quiet -v --verbose --no-color --help" ;;
        "broker status") words="--data-dir --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" ;;
        "broker logs") words="--data-dir --tail --follow --json -q --quiet -v --verbose --no-color --help" ;;
        "demo") words="--keep --json -q --quiet -v --verbose --no-color --help" ;;
        "produce") words="-t --topic -p --partition -k --key -K --key-delimiter -D --delimiter -H --header -Z --tombstones --timestamp -f --format -z --compression --acks -n --count --rate --whole --create --partitions --report -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --help" names="topic" ;;
        "consume") words="-t --topic -p --partition --regex -o --offset -g --group -n --count -e --exit --timeout -G --grep -f --format -K --key-delimiter -D --delimiter --decode --output --exec --into -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --help" names="topic" ;;
        "topic") words="list describe offsets create alter delete trim" ;;
        "topic list") words="-t --topic --regex --internal --unhealthy --under-replicated --under-min-isr --offline -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic" ;;
        "topic describe") words="-t --topic --regex --all --section -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic" ;;
        "topic offsets") words="-t --topic -p --partition --regex -o --offset -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic" ;;
        "topic create") words="-t --topic -p --partitions -r --replication-factor -c --if-not-exists --dry-run -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic" ;;
        "topic alter") words="-t --topic -p --partitions -c --unset --regex --dry-run -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic" ;;
        "topic delete") words="-t --topic --regex --if-exists --yes --dry-run -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic" ;;
        "topic trim") words="-t --topic -p --partition -o --offset --regex --execute --export --from-file -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic" ;;
        "groups") words="list describe peek history delete delete-offsets" ;;
        "groups list") words="-g --group -t --topic --regex --state --type --lag --sort --watch --sample -n --count -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="group" ;;
        "groups describe") words="-g --group -t --topic --regex --by --lag --sort --watch --sample -n --count -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="group" ;;
        "groups peek") words="-g --group -t --topic -n --count -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="group" ;;
        "groups history") words="-g --group --watch -n --count -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="group" ;;
        "groups delete") words="-g --group --regex --if-exists --yes --dry-run -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="group" ;;
        "groups delete-offsets") words="-g --group -t --topic --yes --dry-run -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic group" ;;
        "reset-offsets") words="-g --group -t --topic --regex --to --to-earliest --to-latest --to-offset --to-current --to-datetime --by-duration --shift-by --from-group --from-file --undo --wait-empty --timeout --execute --export -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="group" ;;
        "wait") words="-g --group --timeout -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --help" ;;
        "bench") words="produce consume" ;;
        "bench produce") words="-t --topic -n --count --size --partitions --sync --acks -z --compression -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic" ;;
        "bench consume") words="-t --topic -p --partition -n --count -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" names="topic" ;;
        "cluster") words="info api-versions log-dirs" ;;
        "cluster info") words="-b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" ;;
        "cluster api-versions") words="--broker -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" ;;
        "cluster log-dirs") words="-t --topic --broker -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" ;;
        "config") words="list describe alter" ;;
        "config list") words="-b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" ;;
        "config describe") words="topic broker --all --docs -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" ;;
        "config alter") words="topic broker --unset --dry-run -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" ;;
        "profile") words="list use show edit" ;;
        "profile list") words="--json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" ;;
        "profile use") words="--json -q --quiet -v --verbose --no-color --help" ;;
        "profile show") words="--sources -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --plain --table --no-header --names --utc --help" ;;
        "profile edit") words="--json -q --quiet -v --verbose --no-color --help" ;;
        "completion") words="bash zsh fish -b --bootstrap -C --profile -X --json -q --quiet -v --verbose --no-color --help" ;;
    esac
    if [[ $cur != -* ]]; then
        for kind in $names; do words="$words $(_kq_names $kind)"; done
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _kq kq
