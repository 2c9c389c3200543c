# LIST, UIDL, RETR, TOP: octets are right, dots are doubled, the trace fields come first.
# port: pop3s
# setup: fresh
# setup: deliver one.eml to alice@demo.test
# setup: deliver two.eml to alice@demo.test
S: +OK ...
C: USER alice@demo.test
S: +OK ...
C: PASS demo
S: +OK 2 messages
C: STAT
S~ \+OK 2 (?P<ALL>\d+)
C: LIST
S: +OK 2 messages
S: 1 $ONE
S: 2 $TWO
S: .
C: LIST 1
S: +OK 1 $ONE
C: UIDL
S: +OK 2 messages
S~ 1 (?P<UID>[\x21-\x7e]{1,70})
S: 2 ...
S: .
C: UIDL 1
S: +OK 1 $UID
C: RETR 1
S: +OK $ONE octets
S: Return-Path: <setup@remote.test>
S: Delivered-To: <alice@demo.test>
S: Received: from setup.test ([127.0.0.1])
S* ...
S: From: bob@remote.test
S* ...
S:
S: ..dot first
S: ...two dots
S:
S: last line
S: .
C: TOP 2 1
S: +OK ...
S* ...
S: Subject: two
S:
S: line 1
S: .
C: TOP 2 0
S: +OK ...
S* ...
S: Subject: two
S:
S: .
C: RETR 3
S: -ERR ...
C: TOP 1
S: -ERR ...
C: LIST 0
S: -ERR ...
C: QUIT
S: +OK ...
EOF
