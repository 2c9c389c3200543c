// test/interop/thunderbird.js - what the test does inside of Thunderbird: functions over its own services, for scripts of
// test/lib/marionette.py. A folder is told by its server's key and its name on the server, a letter by its subject.
const { classes: Cc, interfaces: Ci, results: Cr } = Components;
const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs');

function fail(text) {
  throw new Error(text);
}

function name_of(status) {
  return Object.keys(Cr).find((k) => Cr[k] === status) || '0x' + (status >>> 0).toString(16);
}

// A promise that one of Thunderbird's listeners keeps; start gets the listener.
function url_done(start) {
  return new Promise((resolve, reject) => {
    start({
      QueryInterface: ChromeUtils.generateQI(['nsIUrlListener']),
      OnStartRunningUrl() {},
      OnStopRunningUrl(url, status) {
        if (Components.isSuccessCode(status)) resolve();
        else reject(new Error((url ? url.spec : 'no url') + ': ' + name_of(status)));
      },
    });
  });
}

function copy_done(start) {
  return new Promise((resolve, reject) => {
    start({
      QueryInterface: ChromeUtils.generateQI(['nsIMsgCopyServiceListener']),
      onStartCopy() {},
      onProgress() {},
      setMessageKey() {},
      getMessageId() {
        return null;
      },
      onStopCopy(status) {
        if (Components.isSuccessCode(status)) resolve();
        else reject(new Error('copy: ' + name_of(status)));
      },
    });
  });
}

function trust(base64) {
  Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB).addCertFromBase64(base64, 'C,,');
}

// An account as the account setup makes it from what was found or typed; the keys of its server, account and identity.
async function add_account(a) {
  const { AccountConfig } = ChromeUtils.importESModule('resource:///modules/accountcreation/AccountConfig.sys.mjs');
  const { CreateInBackend } = ChromeUtils.importESModule('resource:///modules/accountcreation/CreateInBackend.sys.mjs');
  const config = new AccountConfig();
  const socket_type = a.tls ? Ci.nsMsgSocketType.SSL : Ci.nsMsgSocketType.alwaysSTARTTLS;
  const login = { hostname: a.host, username: a.address, password: a.password, socketType: socket_type, auth: Ci.nsMsgAuthMethod.passwordCleartext };
  config.source = AccountConfig.kSourceUser;
  config.identity = { realname: a.name, emailAddress: a.address };
  config.rememberPassword = true;
  Object.assign(config.incoming, login, { type: 'imap', port: a.imap, loginAtStartup: false });
  Object.assign(config.outgoing, login, { type: 'smtp', port: a.smtp, addThisServer: true });
  const account = await CreateInBackend.createAccountInBackend(config);
  // No asking by the clock: what is new without being asked for came by IDLE.
  account.incomingServer.doBiff = false;
  account.defaultIdentity.composeHtml = false;
  return { server: account.incomingServer.key, account: account.key, identity: account.defaultIdentity.key };
}

function server_of(key) {
  return MailServices.accounts.getIncomingServer(key);
}

function on_server(folder) {
  return folder.QueryInterface(Ci.nsIMsgImapMailFolder).onlineName;
}

// Looks up the folders on the server; [name, use], use being "" for those of no special one.
async function discover(key) {
  await url_done((l) => MailServices.imap.discoverAllFolders(server_of(key).rootFolder, l, null));
}

function folders(key) {
  const uses = { Inbox: 'inbox', SentMail: 'sent', Drafts: 'drafts', Trash: 'trash', Junk: 'junk', Archive: 'archive' };
  return server_of(key).rootFolder.descendants.map((f) => [
    on_server(f),
    Object.keys(uses).filter((u) => f.flags & Ci.nsMsgFolderFlags[u]).map((u) => uses[u]).join(' '),
  ]);
}

function folder(key, name) {
  return server_of(key).rootFolder.descendants.find((f) => on_server(f) === name) || fail('no folder ' + name);
}

// Asks the server what is new in it; what comes of that is seen in letters(). While Thunderbird asks already, this does nothing.
function update(key, name) {
  folder(key, name).updateFolder(null);
  return letters(key, name);
}

function letters(key, name) {
  return [...folder(key, name).messages].map((m) => ({
    subject: m.mime2DecodedSubject,
    author: m.mime2DecodedAuthor,
    uid: m.messageKey,
    size: m.messageSize,
    read: m.isRead,
    starred: m.isFlagged,
    here: (m.flags & Ci.nsMsgMessageFlags.Offline) !== 0,
  }));
}

function letter(key, name, subject) {
  return [...folder(key, name).messages].find((m) => m.mime2DecodedSubject === subject) || fail('no letter "' + subject + '" in ' + name);
}

// The letter's bytes as they came from the server, as a string of bytes.
function source(key, name, subject) {
  const m = letter(key, name, subject);
  const uri = m.folder.getUriForMsg(m);
  const parts = [];
  return new Promise((resolve, reject) => {
    const listener = {
      QueryInterface: ChromeUtils.generateQI(['nsIStreamListener', 'nsIRequestObserver']),
      onStartRequest() {},
      onDataAvailable(request, stream, offset, count) {
        const s = Cc['@mozilla.org/binaryinputstream;1'].createInstance(Ci.nsIBinaryInputStream);
        s.setInputStream(stream);
        parts.push(s.readBytes(count));
      },
      onStopRequest(request, status) {
        if (Components.isSuccessCode(status)) resolve(parts.join(''));
        else reject(new Error('stream: ' + name_of(status)));
      },
    };
    MailServices.messageServiceFromURI(uri).streamMessage(uri, listener, null, null, false, '');
  });
}

// Takes all letters of a folder into Thunderbird's own store.
function download(key, name) {
  const f = folder(key, name);
  f.setFlag(Ci.nsMsgFolderFlags.Offline);
  return url_done((l) => f.downloadAllForOffline(l, null));
}

async function make_folder(key, parent, name) {
  const root = parent ? folder(key, parent) : server_of(key).rootFolder;
  await url_done((l) => MailServices.imap.createFolder(root, name, l));
  await discover(key);
}

function move(key, from, subjects, to, is_move) {
  const list = subjects.map((s) => letter(key, from, s));
  return copy_done((l) => MailServices.copy.copyMessages(folder(key, from), list, folder(key, to), is_move, l, null, false));
}

// What its user means by deleting: to the folder of deleted letters.
function remove(key, name, subjects, for_good) {
  const list = subjects.map((s) => letter(key, name, s));
  return copy_done((l) => folder(key, name).deleteMessages(list, null, for_good, false, l, false));
}

// A search that the server does: terms are [attribute, operator, text].
function search(key, name, terms) {
  const session = Cc['@mozilla.org/messenger/searchSession;1'].createInstance(Ci.nsIMsgSearchSession);
  const found = [];
  session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder(key, name));
  for (const [attribute, operator, text] of terms) {
    const term = session.createTerm();
    const value = term.value;
    value.attrib = term.attrib = Ci.nsMsgSearchAttrib[attribute];
    value.str = text;
    term.value = value;
    term.op = Ci.nsMsgSearchOp[operator];
    term.booleanAnd = true;
    session.appendTerm(term);
  }
  return new Promise((resolve, reject) => {
    session.registerListener({
      QueryInterface: ChromeUtils.generateQI(['nsIMsgSearchNotify']),
      onSearchHit(m) {
        found.push(m.mime2DecodedSubject);
      },
      onSearchDone(status) {
        if (Components.isSuccessCode(status)) resolve(found.sort());
        else reject(new Error('search: ' + name_of(status)));
      },
      onNewSearch() {},
    }, Ci.nsIMsgSearchSession.allNotifications);
    session.search(null);
  });
}

// Writes a letter and sends it, or keeps it as a draft. Thunderbird files its own copy behind that.
async function compose(a) {
  const identity = MailServices.accounts.getIdentity(a.identity);
  const fields = Cc['@mozilla.org/messengercompose/composefields;1'].createInstance(Ci.nsIMsgCompFields);
  const params = Cc['@mozilla.org/messengercompose/composeparams;1'].createInstance(Ci.nsIMsgComposeParams);
  Object.assign(fields, { from: identity.email, to: a.to, bcc: a.bcc || '', subject: a.subject, body: a.body });
  Object.assign(params, { type: Ci.nsIMsgCompType.New, format: Ci.nsIMsgCompFormat.PlainText, identity, composeFields: fields });
  if (a.attach) {
    const file = Cc['@mozilla.org/messengercompose/attachment;1'].createInstance(Ci.nsIMsgAttachment);
    Object.assign(file, { url: 'data:application/octet-stream;base64,' + a.attach, name: 'Anhang \u00e4.bin', contentType: 'application/octet-stream' });
    fields.addAttachment(file);
  }
  const composer = MailServices.compose.initCompose(params);
  const mode = a.draft ? Ci.nsIMsgCompDeliverMode.SaveAsDraft : Ci.nsIMsgCompDeliverMode.Now;
  await composer.sendMsg(mode, identity, a.account, null, null);
}

// What Thunderbird knows of limits, as of its last update of the folder.
function quota(key, name) {
  return folder(key, name).QueryInterface(Ci.nsIMsgImapMailFolder).getQuota().map((q) => [q.name, q.usage, q.limit]);
}
