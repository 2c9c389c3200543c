/* crash/model.h - what must be in the store, as the marks of a load say. */
#ifndef SALLYPORT_TEST_CRASH_MODEL_H
#define SALLYPORT_TEST_CRASH_MODEL_H

#include "base/vec.h"
#include "crash/work.h"

/* An operation that was asked for and not answered: it happened wholly or not at all. */
struct open_work {
	struct mark m;
	/* the inspection's: letters that show that it happened, and that it did not */
	uint32_t n_yes, n_no, n_added;
	uint32_t added_in; /* QUEUE_PUT: accounts where the letter is */
};

struct model_box {
	uint32_t account, uidvalidity; /* 0: not known */
	uint64_t id;
	char name[24];
	bool gone;
	uint32_t uidnext;  /* at least */
	uint64_t modseq;   /* at least */
};

struct model_letter {
	uint32_t account, serial, uid, flags;
	uint64_t mailbox;
	bool gone;
};

struct model_queued {
	uint32_t serial, accounts; /* bits */
};

struct model_out {
	uint32_t serial;
	uint64_t id;
	struct {
		uint32_t attempts; /* begun at least */
		bool gone;
	} groups[WORK_OUT_GROUPS];
};

struct model_account {
	bool exists;
	uint64_t id, password;
	uint64_t modseq; /* at least */
	uint32_t last_serial, last_uid; /* of the delivery answered last */
};

struct model {
	struct VEC(struct open_work) open;
	struct VEC(struct model_box) boxes;
	struct VEC(struct model_letter) letters;
	struct VEC(struct model_queued) queued;
	struct VEC(struct model_out) out;
	struct model_account accounts[WORK_ACCOUNTS];
	uint64_t n_done;
};

/* Dies when the marks contradict each other. */
void model_apply(struct model *m, const struct mark *mark);
struct model_box *model_box_find(struct model *m, uint32_t account, uint64_t id);
struct model_out *model_out_find(struct model *m, uint32_t serial);
struct model_box *model_inbox(struct model *m, uint32_t account);

#endif
