# Languages and UTF8 (RFC 6856); IMPLEMENTATION is told to those who have logged in (RFC 2449 6.9).
# port: pop3s
# setup: fresh
S: +OK ...
C: LANG
S: +OK ...
S: en English
S: i-default ...
S: de Deutsch
S: zh ...
S: .
C: LANG de
S: +OK de ...
C: WHAT
S: -ERR Unbekannter Befehl
C: LANG MUL
S: -ERR Diese Sprache ...
C: LANG *
S: +OK en ...
C: UTF8
S: +OK ...
C: USER alice@demo.test
S: +OK ...
C: PASS demo
S: +OK 0 messages
C: CAPA
S: +OK ...
S: TOP
S: UIDL
S: PIPELINING
S: RESP-CODES
S: AUTH-RESP-CODE
S: EXPIRE NEVER
S: UTF8 USER
S: LANG
S: USER
S: IMPLEMENTATION Sallyport
S: .
C: UTF8
S: -ERR ...
C: LANG i-default
S: +OK i-default ...
C: QUIT
S: +OK ...
EOF
