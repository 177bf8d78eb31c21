#!/usr/bin/env bash
# the chat page, the page of processes and context takeover in Chromium: pictures and logs in $CI_SCREENSHOTS, if that is set
source .ci/lib.sh
install chromium fonts-dejavu-core
npm_install .ci/browser

start_chat
screenshots=${CI_SCREENSHOTS:-$CI_TMP/screenshots}
mkdir -p "$screenshots"
node .ci/browser/chat.test.mjs "http://$chat_address/" "$screenshots"
stop_chat

start_processes
node .ci/browser/processes.test.mjs "http://$processes_address" "$screenshots"

start_takeover
node .ci/browser/takeover.test.mjs "http://$takeover_address"
