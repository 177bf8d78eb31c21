#!/usr/bin/env bash
# the chat page in Chromium: pictures and logs in $CI_SCREENSHOTS, if that is set
source .ci/lib.sh
install chromium fonts-dejavu-core
npm_install .ci/browser

start_chat
screenshots=${CI_SCREENSHOTS:-$CI_TMP/screenshots}
mkdir -p "$screenshots"
node .ci/browser/chat.test.mjs "http://$chat_address/" "$screenshots"
stop_chat
