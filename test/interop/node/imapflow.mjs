// test/interop/node/imapflow.mjs PORT imaps|starttls CA ACCOUNT - what ImapFlow does with an account; one JSON object.
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';

const [port, tls, ca, account] = process.argv.slice(2);
const client = new ImapFlow({
  host: '127.0.0.1', // localhost may be ::1 first, where the test's server does not listen
  port: Number(port),
  secure: tls === 'imaps',
  doSTARTTLS: tls === 'starttls' ? true : undefined,
  auth: { user: `${account}@demo.test`, pass: 'demo' },
  tls: { ca: readFileSync(ca), servername: 'mail.demo.test' },
  logger: false,
});
const said = {};
const message = (n) => Buffer.from(`From: a@b.test\r\nTo: c@d.test\r\nSubject: number ${n}\r\nMessage-ID: <${n}@x.test>\r\n\r\nbody ${n}\r\n`);

await client.connect();
said.enabled = [...client.enabled].sort();
said.capabilities = [...client.capabilities.keys()];
said.secure = client.secureConnection;
const made = await client.mailboxCreate(['Entwürfe 新', 'tief']);
said.made = [made.path, made.created];
said.again = (await client.mailboxCreate(['Entwürfe 新', 'tief'])).created;
said.uids = [];
for (let n = 1; n <= 6; n++) {
  const r = await client.append(made.path, message(n), n % 2 ? ['\\Seen', 'work'] : ['\\Flagged'], new Date(Date.UTC(1996, 6, 17)));
  said.uids.push(r.uid);
}
said.status = await client.status(made.path, { messages: true, unseen: true, uidNext: true, highestModseq: true });
said.status.highestModseq = String(said.status.highestModseq);
said.list = (await client.list({ statusQuery: { messages: true, unseen: true } })).map((m) => ({
  path: m.path,
  use: m.specialUse,
  subscribed: m.subscribed,
  messages: m.status && m.status.messages,
}));
let lock = await client.getMailboxLock(made.path);
try {
  said.exists = client.mailbox.exists;
  said.flagged = await client.search({ flagged: true }, { uid: true });
  said.byHeader = await client.search({ header: { 'message-id': '<3@x.test>' } }, { uid: true });
  said.byText = await client.search({ body: 'body 5' }, { uid: true });
  said.envelopes = [];
  for await (const m of client.fetch('1:*', { envelope: true, flags: true, internalDate: true, size: true, bodyStructure: true }))
    said.envelopes.push([m.uid, m.envelope.subject, [...m.flags].filter((f) => f !== '\\Recent').sort(), m.internalDate.toISOString(), m.bodyStructure.type]);
  const one = await client.download('2', undefined, {});
  const pieces = [];
  for await (const piece of one.content) pieces.push(piece);
  said.same = Buffer.concat(pieces).equals(message(2));
  const before = client.mailbox.highestModseq;
  await client.messageFlagsAdd('1', ['\\Answered'], { uid: true });
  await client.messageFlagsRemove('2', ['\\Flagged'], { uid: true });
  said.changed = [];
  for await (const m of client.fetch('1:*', { flags: true }, { changedSince: before })) said.changed.push(m.uid);
  const copied = await client.messageCopy('1:2', 'Archive', { uid: true });
  said.copied = [...copied.uidMap.keys()];
  const moved = await client.messageMove('3', 'Trash', { uid: true });
  said.moved = [...moved.uidMap.keys()];
  said.deleted = await client.messageDelete('4', { uid: true });
  said.left = (await client.search({ all: true }, { uid: true }));
} finally {
  lock.release();
}
said.quota = await client.getQuota('INBOX');
await client.mailboxSubscribe(made.path);
said.renamed = (await client.mailboxRename(made.path, 'Entwürfe 新/flach')).newPath;
said.removed = (await client.mailboxDelete('Entwürfe 新/flach')).path;
said.after = (await client.list()).map((m) => m.path).filter((p) => p.startsWith('Entw'));
// News of another session while this one waits.
lock = await client.getMailboxLock('INBOX');
try {
  const news = new Promise((resolve) => client.once('exists', resolve));
  const idle = client.idle();
  const other = new ImapFlow({ ...client.options, logger: false });
  await other.connect();
  await other.append('INBOX', message(7));
  await other.logout();
  said.news = (await news).count;
  await client.noop();
  await idle;
} finally {
  lock.release();
}
await client.logout();
console.log(JSON.stringify(said, (_, v) => (typeof v === 'bigint' ? String(v) : v)));
