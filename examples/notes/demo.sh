#!/usr/bin/env bash
# Builds nothing itself: starts moln (or finds it running), deploys this
# application with the unmodified Serverless CLI, publishes its page and prints
# where it is. moln keeps running afterwards; the second run finds everything
# still there.
#
#   MOLN=bin/moln examples/notes/demo.sh [--cli osls|serverless]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
moln=${MOLN:-$here/../../bin/moln}
listen=${MOLN_LISTEN:-127.0.0.1:4566}
state=${MOLN_STATE:-$here/.moln}
cli=osls
[ "${1:-}" = --cli ] && cli=$2
endpoint=http://$listen

say() { printf '%s\n' "$*" >&2; }

# ready asks the server with bash alone: this machine may have no curl.
ready() {
  local answer
  exec 3<>"/dev/tcp/${listen%:*}/${listen##*:}" || return 1
  printf 'GET /_moln/ready HTTP/1.0\r\nHost: %s\r\n\r\n' "$listen" >&3
  read -r answer <&3
  exec 3>&-
  [[ $answer == *' 200 '* ]]
} 2>/dev/null

if ! ready; then
  mkdir -p "$state"
  began=$(date +%s%N)
  nohup "$moln" up --listen "$listen" --data-dir "$state" >"$state/moln.log" 2>&1 &
  pid=$!
  echo "$pid" >"$state/moln.pid"
  until ready; do
    kill -0 "$pid" 2>/dev/null || { cat "$state/moln.log" >&2; exit 1; }
    sleep 0.005
  done
  say "ready after $((($(date +%s%N) - began) / 1000000)) ms"
  sleep 2 # let start-up memory go back to the system before it is measured
  say "idle memory $(($(awk '/VmRSS/ { print $2 }' "/proc/$pid/status") / 1024)) MB"
  say "binary      $(($(stat -c %s "$moln") / 1000000)) MB"
fi

cd "$here"
if [ ! -d node_modules/@aws-sdk/client-dynamodb ]; then
  say "installing the application's packages"
  npm install --no-package-lock --no-audit --no-fund --loglevel=error >&2
fi
tools=${MOLN_TOOLS:-$here/.tools}/$cli
if [ ! -d "$tools/node_modules" ]; then
  say "installing $cli"
  mkdir -p "$tools"
  package=osls@4.3.1
  [ "$cli" = serverless ] && package=serverless@3.40.0
  (cd "$tools" && echo '{"private":true}' >package.json && npm install --no-package-lock --no-audit --no-fund --loglevel=error "$package" >&2)
fi
command=$tools/node_modules/.bin/$cli
run() { "$moln" exec --endpoint "$endpoint" --data-dir "$state" -- "$@"; }

say "deploying with $cli"
SLS_AWS_MONITORING_FREQUENCY=200 SLS_TELEMETRY_DISABLED=1 SLS_NOTIFICATIONS_MODE=off run "$command" deploy --stage dev >&2
site=$(run node scripts/publish.mjs dev)
say
say "The site is at the address below; sign-up codes arrive at $endpoint/_moln/mailbox"
pid=$(cat "$state/moln.pid" 2>/dev/null || true)
if grep -aqsF "$listen" "/proc/$pid/cmdline"; then
  say "moln goes on running; stop it with: kill $pid"
fi
printf '%s\n' "$site"
