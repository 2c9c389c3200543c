/* base/crc.h - CRC-32C, against damage by accident. */
#ifndef SALLYPORT_BASE_CRC_H
#define SALLYPORT_BASE_CRC_H

#include "base/str.h"

uint32_t crc32c(uint32_t crc, struct str bytes); /* start with 0; may be continued */

#endif
