#!/usr/bin/env bash
# The program for `livectl certify`: see client/README.md.
set -euo pipefail
source "$(dirname "$0")/../livehandle.sh"

set_state() { live_call state.set "{\"key\":\"app:$1\",\"value\":$2}"; }

add() { # the data of a tool.call; the answer to it
  jq -c '{call_id} + if .args.a > 1000 then {error: "too large"}
    else {result: {sum: (.args.a + .args.b)}} end' <<<"$1"
}

live_open "certify bash"
live_call daemon.ping
live_call state.get '{"key":"app:missing"}' || set_state error "$(jq .data.name <<<"$REPLY")"
live_begin 'done' '{"timeout_ms":60000}'
live_call phase
set_state phase "$(jq .phase <<<"$REPLY")"
live_register '[{"name":"add","parameters":{"type":"object","properties":
  {"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"]}}]'
live_subscribe '["live.text_delta","live.turn_complete"]'

deltas=()
lost=''
while live_next; do
  case $LIVE_TOPIC in
    live.text_delta) deltas+=("$LIVE_DATA") ;;
    live.turn_complete)
      text=$(printf '%s\n' "${deltas[@]}" | jq -cs '{text: (map(.text) | add)}')
      deltas=()
      live_call send_text "$text"
      [[ $text != '{"text":"That is all."}' ]] || break
      ;;
    tool.call) live_call tools.respond "$(add "$LIVE_DATA")" || true ;; # it may have been cancelled
    events.lagged) set_state lagged "$(jq .missed <<<"$LIVE_DATA")" ;;
    client.error) lost=$(jq .data.name <<<"$LIVE_DATA") ;;
    client.connected)
      [[ -z $lost ]] || set_state lost "$lost"
      lost=''
      ;;
    client.reset)
      deltas=()
      set_state reset true
      ;;
  esac
done
live_call disconnect
live_close
