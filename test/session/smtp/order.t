# What may come when (RFC 5321 4.1.4).
S: 220 ...
C: MAIL FROM:<a@remote.test>
S: 503 5.5.1 Say EHLO first
C: RCPT TO:<alice@demo.test>
S: 503 5.5.1 Say EHLO first
C: NOOP anything
S: 250 2.0.0 ...
C: RSET
S: 250 2.0.0 ...
C: EHLO client.test
S* ...
S: 250 ENHANCEDSTATUSCODES
C: RCPT TO:<alice@demo.test>
S: 503 5.5.1 Say MAIL first
C: DATA
S: 503 5.5.1 Say MAIL first
C: MAIL FROM:<a@remote.test>
S: 250 2.1.0 ...
C: MAIL FROM:<b@remote.test>
S: 503 5.5.1 ...
C: DATA
S: 554 5.5.1 No valid recipients
C: RSET
S: 250 2.0.0 ...
C: DATA
S: 503 5.5.1 Say MAIL first
C: QUIT
S: 221 2.0.0 ...
EOF
