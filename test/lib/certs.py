"""test/lib/certs.py - a certification authority of the test's own, what it issues, and how TLSA names it.

    ca = Authority(directory)
    crt = ca.issue("mx.far.test", "*.far.test")     # .path: certificate, authority and key in one PEM file
    crt.tlsa(3, 1, 1)                               # "3 1 1 <digest>"
"""
import hashlib
import os
import re
import ssl
import subprocess

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
CA_CONF = """[ca]
default_ca = d
[d]
dir = .
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = p
rand_serial = yes
unique_subject = no
copy_extensions = copy
[p]
commonName = supplied
[req]
distinguished_name = n
[n]
"""


def openssl(*words, cwd=None, data=None):
    p = subprocess.run(("openssl",) + words, cwd=cwd, input=data, capture_output=True)
    if p.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (words[0], p.stderr.decode()))
    return p.stdout


class Certificate:
    def __init__(self, path, issuer=None):
        self.path, self.issuer = path, issuer  # path: itself, its issuer, its key

    def pem(self):
        with open(self.path) as f:
            return re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", f.read(), re.S)[0]

    def association(self, selector, matching):
        data = ssl.PEM_cert_to_DER_cert(self.pem())
        if selector == 1:
            data = openssl("pkey", "-pubin", "-outform", "DER", data=openssl("x509", "-pubkey", "-noout", data=self.pem().encode()))
        return {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}[matching].hex()

    def tlsa(self, usage, selector=1, matching=1):
        """The data of a TLSA record (RFC 6698 2.1) for this certificate; usages 0 and 2: for its authority."""
        of = self.issuer if usage in (0, 2) and self.issuer else self
        return "%d %d %d %s" % (usage, selector, matching, of.association(selector, matching))

    def context(self):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(self.path)
        return c


class Authority(Certificate):
    def __init__(self, directory, name="Test CA"):
        self.dir, self.n = directory, 0
        os.makedirs(directory, exist_ok=True)
        for file, text in (("conf", CA_CONF), ("index", "")):
            with open(os.path.join(directory, file), "w") as f:
                f.write(text)
        openssl("req", "-x509", *EC, "-keyout", "ca.key", "-out", "ca.pem", "-days", "9", "-subj", "/CN=" + name, "-addext",
                "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign", cwd=directory)
        super().__init__(os.path.join(directory, "ca.pem"))

    def issue(self, *names, expired=False, self_signed=False):
        """For names, the first of which is the subject; an authority is not asked when self_signed."""
        self.n += 1
        key, crt, csr = ("c%d.%s" % (self.n, end) for end in ("key", "crt", "csr"))
        san = "subjectAltName=" + ",".join(("IP:" if re.fullmatch(r"[\d.]+|.*:.*", n) else "DNS:") + n for n in names)
        common = ("req", "-config", "conf", *EC, "-keyout", key, "-subj", "/CN=" + names[0][:64], "-addext", san)
        chain = b""
        if self_signed:
            openssl(*common, "-x509", "-days", "9", "-out", crt, cwd=self.dir)
        else:
            openssl(*common, "-out", csr, cwd=self.dir)
            dates = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z") if expired else ("-days", "8")
            openssl("ca", "-config", "conf", "-batch", "-notext", "-in", csr, "-out", crt, "-cert", "ca.pem", "-keyfile", "ca.key", *dates, cwd=self.dir)
            chain = self.pem().encode()
        path = os.path.join(self.dir, "c%d.pem" % self.n)
        with open(path, "wb") as out:
            for part in (crt, None, key):
                out.write(chain if part is None else open(os.path.join(self.dir, part), "rb").read())
        return Certificate(path, None if self_signed else self)

    def trust_directory(self, directory):
        """A directory as /etc/ssl/certs is, with this authority alone."""
        os.makedirs(directory)
        name = openssl("x509", "-hash", "-noout", "-in", self.path).decode().strip() + ".0"
        for file in (name, "ca-certificates.crt"):
            with open(os.path.join(directory, file), "w") as f:
                f.write(self.pem())
        return directory
