/* store/service.h - what the handlers of messages share, and their list. */
#ifndef SALLYPORT_STORE_SERVICE_H
#define SALLYPORT_STORE_SERVICE_H

#include "ipc_gen.h"
#include "store/account.h"
#include "store/directory.h"

struct backup;
struct restore;

struct store {
	struct shard shard; /* the one there is; handles name it by their top byte */
	struct store_limits limits;
	struct engine *engine;
	struct sched *sched;
	struct log *log;
	struct directory directory;
	struct link *const *scan;
	size_t n_scan, next_scan;
	struct body_budget budget;
	struct ipc_service service;
	ipc_handler *handlers[IPC_TYPE_COUNT];
	bool keep_garbage;
	unsigned n_holding; /* backups and restores under way: nothing is collected meanwhile */
	struct VEC(struct backup *) backups;
	struct VEC(struct restore *) restores;
};

#define STORE_WORK_MAX ((size_t)4 << 30) /* cap of a request's own arena: what a mailbox of millions needs */

void store_service_init(struct store *s);

/* A request that presents a handle. */
struct session {
	struct store *store;
	struct ipc_call *call;
	uint64_t number;
	struct handle *handle;
	struct account *account; /* pinned until session_leave */
	struct selection *sel;	 /* of session_select; NULL before */
	uint32_t sel_number;
	struct arena work; /* for what may be large */
};

/* False: answered already. Else the caller ends with session_leave. */
bool session_enter(struct session *x, struct store *s, struct ipc_call *c, uint64_t handle) MUST_USE;
/* Finds the selection too; one of a mailbox that was deleted is REVOKED. */
bool session_enter_selected(
	struct session *x, struct store *s, struct ipc_call *c, uint64_t handle, uint32_t sel) MUST_USE;
/* After a suspension: the handle and the selection are still there (and are found anew). */
bool session_again(struct session *x) MUST_USE;
/* Waits for the serial; OK, or what is to be answered. */
SUSPENDS enum outcome session_wait(struct session *x, uint64_t serial) MUST_USE;
void session_leave(struct session *x);
/* The cleaned name, in the work arena. */
enum outcome session_name(struct session *x, struct str name, struct str *out) MUST_USE;

struct seqmap session_map(struct session *x); /* the selection's numbers now */
/* Moves messages from one mailbox to another, pinned by the caller; those that are gone are passed over. NO_SUCH: the other is gone. */
SUSPENDS enum outcome messages_move(
	struct session *x, struct mailbox *from, const uint32_t *uids, size_t n, struct mailbox *to) MUST_USE;
/* q's bytes of message q->uid in a mailbox whose view is loaded, appended. NO_SUCH: the message is gone. */
SUSPENDS enum outcome message_read(struct session *x, const struct mailbox *m, const struct ipc_read_body *q, struct buf *out) MUST_USE;

bool selection_recent(const struct selection *x, uint32_t uid);

/* Handlers, by family; the table is in service.c. */
#define STORE_HANDLERS(X)                                                                                              \
	X(credential, CREDENTIAL)                                                                                      \
	X(rehash, REHASH)                                                                                              \
	X(installation, INSTALLATION)                                                                                  \
	X(certificate_owner, CERTIFICATE_OWNER)                                                                        \
	X(grant, GRANT)                                                                                                \
	X(open_account, OPEN_ACCOUNT)                                                                                  \
	X(present, PRESENT)                                                                                            \
	X(logout, LOGOUT)                                                                                              \
	X(resolve, RESOLVE)                                                                                            \
	X(owns, OWNS)                                                                                                  \
	X(deliver, DELIVER)                                                                                            \
	X(append_to, APPEND_TO)                                                                                        \
	X(append_drop, APPEND_DROP)                                                                                    \
	X(room_for, ROOM_FOR)                                                                                          \
	X(quota, QUOTA)                                                                                                \
	X(sent_copy, SENT_COPY)                                                                                        \
	X(import_to, IMPORT_TO)                                                                                        \
	X(mailbox_numbers, MAILBOX_NUMBERS)                                                                            \
	X(moved_find, MOVED_FIND)                                                                                      \
	X(moved_add, MOVED_ADD)                                                                                        \
	X(queue_put, QUEUE_PUT)                                                                                        \
	X(queue_list, QUEUE_LIST)                                                                                      \
	X(queue_deliver, QUEUE_DELIVER)                                                                                \
	X(queue_send, QUEUE_SEND) \
	X(queue_load, QUEUE_LOAD) \
	X(queue_read, QUEUE_READ) \
	X(queue_body, QUEUE_BODY) \
	X(queue_begin, QUEUE_BEGIN) \
	X(queue_settle, QUEUE_SETTLE) \
	X(queue_reported, QUEUE_REPORTED) \
	X(queue_change, QUEUE_CHANGE) \
	X(queue_page, QUEUE_PAGE) \
	X(history_find, HISTORY_FIND) \
	X(tlsrpt_add, TLSRPT_ADD) \
	X(tlsrpt_list, TLSRPT_LIST) \
	X(tlsrpt_read, TLSRPT_READ) \
	X(tlsrpt_done, TLSRPT_DONE) \
	X(sts_keep, STS_KEEP) \
	X(sts_list, STS_LIST) \
	X(suppressed, SUPPRESSED) \
	X(suppress_note, SUPPRESS_NOTE) \
	X(suppression_add, SUPPRESSION_ADD) \
	X(suppression_delete, SUPPRESSION_DELETE) \
	X(suppression_list, SUPPRESSION_LIST) \
	X(mailboxes, MAILBOXES)                                                                                        \
	X(mailbox_create, MAILBOX_CREATE)                                                                              \
	X(mailbox_delete, MAILBOX_DELETE)                                                                              \
	X(mailbox_rename, MAILBOX_RENAME)                                                                              \
	X(subscribe, SUBSCRIBE)                                                                                        \
	X(status, STATUS)                                                                                              \
	X(select, SELECT)                                                                                              \
	X(unselect, UNSELECT)                                                                                          \
	X(sync, SYNC)                                                                                                  \
	X(fetch, FETCH)                                                                                                \
	X(read_body, READ_BODY)                                                                                        \
	X(set_flags, SET_FLAGS)                                                                                        \
	X(expunge, EXPUNGE)                                                                                            \
	X(copy, COPY)                                                                                                  \
	X(maildrop_open, MAILDROP_OPEN)                                                                                \
	X(maildrop_list, MAILDROP_LIST)                                                                                \
	X(maildrop_read, MAILDROP_READ)                                                                                \
	X(maildrop_remove, MAILDROP_REMOVE)                                                                            \
	X(maildrop_close, MAILDROP_CLOSE)                                                                              \
	X(search, SEARCH)                                                                                              \
	X(domain_add, DOMAIN_ADD)                                                                                      \
	X(domain_delete, DOMAIN_DELETE)                                                                                \
	X(account_add, ACCOUNT_ADD)                                                                                    \
	X(account_delete, ACCOUNT_DELETE)                                                                              \
	X(account_password, ACCOUNT_PASSWORD)                                                                          \
	X(account_set, ACCOUNT_SET)                                                                                    \
	X(account_show, ACCOUNT_SHOW)                                                                                  \
	X(code_add, CODE_ADD)                                                                                          \
	X(code_list, CODE_LIST)                                                                                        \
	X(code_delete, CODE_DELETE)                                                                                    \
	X(pin_add, PIN_ADD)                                                                                            \
	X(pin_list, PIN_LIST)                                                                                          \
	X(pin_delete, PIN_DELETE)                                                                                      \
	X(alias_add, ALIAS_ADD)                                                                                        \
	X(alias_delete, ALIAS_DELETE)                                                                                  \
	X(directory_list, DIRECTORY_LIST)                                                                              \
	X(store_status, STORE_STATUS)                                                                                  \
	X(verify_step, VERIFY_STEP)                                                                                    \
	X(deleted_list, DELETED_LIST)                                                                                  \
	X(undelete, UNDELETE)                                                                                          \
	X(account_undelete, ACCOUNT_UNDELETE)                              \
	X(audited, AUDITED)                                                                                            \
	X(audit_list, AUDIT_LIST)                                                                                      \
	X(account_find, ACCOUNT_FIND) \
	X(queue_command, QUEUE_COMMAND) \
	X(backup_begin, BACKUP_BEGIN)                                                                                  \
	X(backup_accounts, BACKUP_ACCOUNTS)                                                                            \
	X(backup_rows, BACKUP_ROWS)                                                                                    \
	X(backup_bodies, BACKUP_BODIES)                                                                                \
	X(backup_read, BACKUP_READ)                                                                                    \
	X(backup_mark, BACKUP_MARK)                                                                                    \
	X(backup_end, BACKUP_END)                                                                                      \
	X(restore_begin, RESTORE_BEGIN)                                                                                \
	X(restore_bodies, RESTORE_BODIES)                                                                              \
	X(restore_directory, RESTORE_DIRECTORY)                                                                        \
	X(restore_account, RESTORE_ACCOUNT)                                                                            \
	X(restore_rows, RESTORE_ROWS)                                                                                  \
	X(restore_account_end, RESTORE_ACCOUNT_END)                                                                    \
	X(restore_outgoing, RESTORE_OUTGOING) \
	X(restore_queued, RESTORE_QUEUED)                                                                              \
	X(restore_end, RESTORE_END)
#define X(name, NAME) void serve_##name(void *ctx, struct ipc_call *c, const void *msg);
STORE_HANDLERS(X)
#undef X

#endif
