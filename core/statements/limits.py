"""How large a file of statements may be, in each direction in which a file can grow."""

MAX_FILE_BYTES = 32 * 1024 * 1024
"""As uploaded. Twenty years of a busy account are 5 MB of CSV; in CAMT it is some 10,000 entries."""

MAX_ROWS = 200_000
"""Of a file: thirty payments a day for eighteen years."""

MAX_COLUMNS = 200
"""Of a table: the widest that banks write has about thirty."""

MAX_PEOPLE = 100
"""Of a file of shared expenses; a group has no more members."""

MAX_CELL_CHARS = 32_767
"""Excel's own limit of a cell. What is longer is a quotation mark that never closes, not a text."""

MAX_LINE_CHARS = 1_000_000
"""Of one record of a CSV file, quoted line breaks included."""

MAX_LINES = 1_000_000
"""Of a text file, blank ones included: five for each of the rows."""

MAX_RECORD_LINES = 2_500
"""A note may have a line break for each of its characters."""

MAX_PREAMBLE_LINES = 50
"""Lines before the header among which it is looked for: banks write up to a dozen."""

MAX_PAYEE_CHARS = 200
MAX_NOTE_CHARS = 2_000
MAX_CATEGORY_CHARS = 100
MAX_TAG_CHARS = 50
MAX_TAGS = 20
MAX_BANK_ID_CHARS = 200
MAX_ACCOUNT_CHARS = 100
"""What the columns of the database hold; longer texts are cut, as a bank's padding should stop no row."""

MAX_SHOWN_CHARS = 200
"""Of a row's raw content beside the reason why it cannot be read."""
