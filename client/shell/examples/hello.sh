#!/usr/bin/env bash
# Asks the model for the weather, carries out its call, and prints what it says.
set -euo pipefail
source "$(dirname "$0")/../livehandle.sh"

parameters='{"type": "object", "properties": {"city": {"type": "string"}}}'
live_open hello
trap 'jq -r ".message? // empty" <<<"$REPLY" >&2' ERR # a call that fails says why it ends
live_register '[{"name": "get_weather", "parameters": '"$parameters"'}]'
live_subscribe '["live.output_transcript", "live.turn_complete"]'
text=${1:-'call get_weather {"city": "Oslo"}'}
live_call send_text "$(jq -n --arg text "$text" '{$text}')"
while live_next; do
  case $LIVE_TOPIC in
    tool.call)
      echo "tool: get_weather $(jq -r .args.city <<<"$LIVE_DATA")"
      live_call tools.respond "$(jq '{call_id, result: {temperature: 7}}' <<<"$LIVE_DATA")"
      ;;
    live.output_transcript) jq -j .text <<<"$LIVE_DATA" ;;
    live.turn_complete) [[ $(jq -r .model <<<"$LIVE_DATA") == "" ]] || break ;;
  esac
done
echo
