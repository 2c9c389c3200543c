// test/interop/node/nodemailer.mjs PORT tls|starttls CA PASSWORD MECHANISM - what nodemailer sends; one JSON object.
import { readFileSync } from 'node:fs';
import nodemailer from 'nodemailer';

const [port, tls, ca, pass, method] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  host: '127.0.0.1', // localhost may be ::1 first, where the test's server does not listen
  port: Number(port),
  secure: tls === 'tls',
  requireTLS: tls === 'starttls',
  pool: true,
  maxConnections: 1,
  auth: { user: 'alice@demo.test', pass },
  authMethod: method || undefined,
  tls: { ca: readFileSync(ca), servername: 'mail.demo.test' },
});
const said = {};
try {
  said.verified = await transport.verify();
  const letter = await transport.sendMail({
    from: { name: 'Alïce', address: 'alice@demo.test' },
    to: 'Bob <bob@demo.test>',
    bcc: 'alice@demo.test',
    subject: 'Grüße von nodemailer',
    text: 'Text mit Umläuten\n.ein Punkt\n',
    html: '<p>Text mit <b>Umläuten</b></p>',
    attachments: [{ filename: 'zwölf.bin', content: Buffer.from([...Array(256).keys()]) }],
  });
  said.accepted = letter.accepted;
  said.rejected = letter.rejected;
  said.response = letter.response;
  const some = await transport.sendMail({ from: 'alice@demo.test', to: ['bob@demo.test', 'nobody@demo.test'], subject: 'some', text: 'x' });
  said.some = [some.accepted, some.rejected];
} catch (e) {
  said.error = [e.code, e.responseCode, e.command];
}
transport.close();
console.log(JSON.stringify(said));
