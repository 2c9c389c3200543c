# A letter from a stranger to one user and to two: the trace id is in the 250.
S: 220 ... ESMTP Sallyport
C: EHLO client.test
S: 250-...
S: 250-PIPELINING
S~ 250-SIZE \d+
S* ...
S: 250 ENHANCEDSTATUSCODES
C: MAIL FROM:<bob@remote.test> SIZE=100 BODY=8BITMIME
S: 250 2.1.0 ...
C: RCPT TO:<alice@demo.test>
S: 250 2.1.5 ...
C: DATA
S: 354 ...
C: From: bob@remote.test
C: Subject: one
C:
C: ..a dot
C: .
S~ 250 2\.0\.0 [a-z0-9]{12}
C: MAIL FROM:<>
S: 250 2.1.0 ...
C: RCPT TO:<alice@demo.test>
S: 250 2.1.5 ...
C: RCPT TO:<bob@demo.test>
S: 250 2.1.5 ...
C: DATA
S: 354 ...
C: Subject: two
C:
C: text
C: .
S~ 250 2\.0\.0 [a-z0-9]{12}
C: QUIT
S: 221 2.0.0 ...
EOF
