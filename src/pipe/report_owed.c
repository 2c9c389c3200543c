/* pipe/report_owed.c - when a delivery status notification is owed (RFC 3461 4.1, RFC 2852 4.1). See report.h. */
#include "pipe/report.h"

#include "ipc/words.h"

static uint8_t wanted(uint8_t notify, bool asked, uint8_t report)
{
	return (notify && !asked) || notify == NOTIFY_NEVER ? REPORT_NONE : report;
}

/* RFC 3461 4.1: without NOTIFY failures are told, and delays as it pleases us. RFC 2852 4.1.4, 4.1.5: BY asks for word of a delay or of each step by
 * itself, but where NOTIFY is NEVER. */
uint8_t report_owed(const struct ipc_out_facts *f, const struct ipc_queue_rcpt *r, uint8_t state)
{
	uint8_t notify = r->dsn.notify;
	bool trace = f->wishes.by_mode != BY_NONE && f->wishes.by_trace;

	if (f->from_null) /* RFC 5321 6.1 */
		return REPORT_NONE;
	switch (state) {
	case RCPT_WAITING:
		return r->delayed ? REPORT_NONE : wanted(notify, (notify & NOTIFY_DELAY) || f->wishes.by_mode == BY_NOTIFY, REPORT_DELAY);
	case RCPT_SENT:
		return trace ? wanted(notify, true, REPORT_RELAYED) : REPORT_NONE;
	case RCPT_RELAYED:
		return (notify & NOTIFY_SUCCESS) || trace ? wanted(notify, true, REPORT_RELAYED) : REPORT_NONE;
	case RCPT_FAILED:
	case RCPT_EXPIRED:
		return wanted(notify, notify & NOTIFY_FAILURE, REPORT_FAILURE);
	default:
		return REPORT_NONE;
	}
}
