// Unicode's tables as scripts/unicode_tables.py writes them: base64 of numbers, see there.
#pragma once

namespace monza::text {

extern const char kUnicodeData[];

}  // namespace monza::text
