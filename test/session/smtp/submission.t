# Alice writes to bob, in her own name only, and not yet to other domains.
# port: submissions
S: 220 ...
C: EHLO Alice's-PC
S* ...
S: 250 ENHANCEDSTATUSCODES
C: AUTH PLAIN AGFsaWNlQGRlbW8udGVzdABkZW1v
S: 235 2.7.0 ...
C: MAIL FROM:<bob@demo.test>
S: 553 5.7.1 ...
C: MAIL FROM:<alice@demo.test>
S: 250 2.1.0 ...
C: RCPT TO:<someone@elsewhere.test>
S: 550 5.1.2 Sending to other domains is not available yet on this server
C: RCPT TO:<nobody-of-that-name@demo.test>
S: 550 5.1.1 ...
C: RCPT TO:<bob@demo.test>
S: 250 2.1.5 ...
C: DATA
S: 354 ...
C: From: alice@demo.test
C: Bcc: bob@demo.test
C: Subject: secret
C:
C: text
C: .
S~ 250 2\.0\.0 [a-z0-9]{12}
C: QUIT
S: 221 2.0.0 ...
EOF
