# Strangers cannot log in: not announced, not taken.
S: 220 ...
C: EHLO client.test
S~ 250-(?!AUTH).*
S~ 250-(?!AUTH).*
S~ 250-(?!AUTH).*
S~ 250-(?!AUTH).*
S~ 250-(?!AUTH).*
S* ...
S: 250 ENHANCEDSTATUSCODES
C: AUTH PLAIN AGFsaWNlQGRlbW8udGVzdABkZW1v
S: 503 5.5.1 ...
C: QUIT
S: 221 2.0.0 ...
EOF
