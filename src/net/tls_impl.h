/* net/tls_impl.h - what both sides of TLS share, inside net/ only. */
#ifndef SALLYPORT_NET_TLS_IMPL_H
#define SALLYPORT_NET_TLS_IMPL_H

#include "net/tls.h"

#include <openssl/ssl.h>

/* Makes the stream one of ssl (whose side is set; taken over) and runs the handshake. server: held until the stream ends, NULL for a client. */
SUSPENDS bool tls_start(struct stream *s, SSL *ssl, struct tls_server *server, char why[256]) MUST_USE;
SSL *tls_ssl(const struct stream *s);

#endif
