#!/usr/bin/env bash
# the chats' pages, that of processes and context takeover in Chromium: pictures and logs in $CI_SCREENSHOTS, if that is set
source .ci/lib.sh
install chromium fonts-dejavu-core
npm_install .ci/browser

start_chat
screenshots=${CI_SCREENSHOTS:-$CI_TMP/screenshots}
mkdir -p "$screenshots"
node .ci/browser/chat.test.mjs "http://$chat_address/" "$screenshots"
stop_chat

start_distributed_chat
node .ci/browser/distributed-chat.test.mjs "http://$distributed_chat_address/" "$screenshots"
stop_distributed_chat

start_processes
node .ci/browser/processes.test.mjs "http://$processes_address" "$screenshots"

start_takeover
node .ci/browser/takeover.test.mjs "http://$takeover_address"
