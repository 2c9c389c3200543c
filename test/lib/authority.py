"""test/lib/authority.py - certification authorities and certificates of a test's choice, by the openssl command.

    ca = Authority(directory, "ca")                          # ca.path is its PEM file
    certificate, key = ca.make("mx", ["mx.demo.test"])       # PEM files; the certificate's is the chain, the authority's own last
    ca.make("old", ["mx.demo.test"], days=-2)                # over since yesterday
    tlsa(certificate, 1, 1), tlsa(ca.path, 0, 1)             # "hex", of the first certificate in the file
"""
import datetime
import hashlib
import os
import subprocess

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*words, cwd=None, input=None):
    return subprocess.run(("openssl",) + words, cwd=cwd, input=input, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def stamp(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


class Authority:
    def __init__(self, directory, name):
        self.dir, self.name = directory, name
        self.path = os.path.join(directory, name + ".pem")
        openssl("req", "-x509", *EC, "-keyout", name + ".key", "-out", name + ".pem", "-days", "20", "-subj", "/CN=Authority " + name,
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign", cwd=directory)
        with open(os.path.join(directory, name + ".index"), "w"):
            pass
        with open(os.path.join(directory, name + ".cnf"), "w") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s.index\nunique_subject=no\nrand_serial=yes\nnew_certs_dir=.\ncertificate=%s.pem\n"
                    "private_key=%s.key\ndefault_md=sha256\npolicy=p\ncopy_extensions=copy\n[p]\ncommonName=supplied\n" % ((name,) * 3))

    def make(self, name, hosts, days=10):
        """days: until it ends; negative: it has ended so long ago."""
        openssl("req", *EC, "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + hosts[0],
                "-addext", "subjectAltName=" + ",".join("DNS:" + h for h in hosts), "-addext", "basicConstraints=CA:FALSE", cwd=self.dir)
        openssl("ca", "-batch", "-notext", "-config", self.name + ".cnf", "-in", name + ".csr", "-out", name + ".pem",
                "-startdate", stamp(min(-1, days - 5)), "-enddate", stamp(days), cwd=self.dir)
        path = os.path.join(self.dir, name + ".pem")
        with open(path, "a") as out, open(self.path) as own:
            out.write(own.read())
        return path, os.path.join(self.dir, name + ".key")


def tlsa(certificate, selector, matching):
    """What a TLSA record of the first certificate in the file holds."""
    der = openssl("x509", "-in", certificate, "-outform", "DER")
    if selector == 1:
        key = openssl("x509", "-in", certificate, "-noout", "-pubkey")
        der = openssl("pkey", "-pubin", "-outform", "DER", input=key)
    return {0: der, 1: hashlib.sha256(der).digest(), 2: hashlib.sha512(der).digest()}[matching].hex()
