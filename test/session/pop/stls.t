# Port 110: no password before STLS (RFC 2595 4).
S: +OK ...
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
S: STLS
S: .
C: USER alice@demo.test
S: -ERR ...
C: STLS
S: +OK ...
TLS
C: STLS
S: -ERR ...
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
S: .
C: USER alice@demo.test
S: +OK ...
C: PASS demo
S: +OK ...
C: QUIT
S: +OK ...
EOF
