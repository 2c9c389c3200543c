/* tlsrpt/names.c - what results and policies are called (RFC 8460 4.3, 4.4). */
#include "tlsrpt/tlsrpt.h"

const char *tlsrpt_result_name(enum tlsrpt_result r)
{
	static const char *const names[TLSRPT_RESULT_COUNT] = {
		[TLSRPT_SUCCESS] = "",
		[TLSRPT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
		[TLSRPT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
		[TLSRPT_CERTIFICATE_EXPIRED] = "certificate-expired",
		[TLSRPT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
		[TLSRPT_VALIDATION_FAILURE] = "validation-failure",
		[TLSRPT_TLSA_INVALID] = "tlsa-invalid",
		[TLSRPT_DNSSEC_INVALID] = "dnssec-invalid",
		[TLSRPT_DANE_REQUIRED] = "dane-required",
		[TLSRPT_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
		[TLSRPT_STS_POLICY_INVALID] = "sts-policy-invalid",
		[TLSRPT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
	};

	return r < TLSRPT_RESULT_COUNT ? names[r] : "validation-failure";
}

const char *tlsrpt_policy_name(enum tlsrpt_policy p)
{
	static const char *const names[TLSRPT_POLICY_COUNT] = { [TLSRPT_POLICY_NONE] = "no-policy-found", [TLSRPT_POLICY_STS] = "sts",
		[TLSRPT_POLICY_TLSA] = "tlsa" };

	return p < TLSRPT_POLICY_COUNT ? names[p] : "no-policy-found";
}
