"""Texts that a log, a person or an attacker may put where dwell only expects words."""

SCRIPT = "<script>document.title='PWNED'</script>"
"""Runs where it reaches a page unescaped."""

HOSTILE = (
    SCRIPT,
    '"><img src=x onerror="document.title=\'PWNED\'">',
    "</style></svg><script>document.title='PWNED'</script>",
    "javascript:document.title='PWNED'",
    "{{ 7 * 7 }}{% raw %}",
    "{x}",
    "{batch}",
    "${run.source}",
    "user's city",
    'the "best" city',
    "x;touch PWNED",
    "$(touch PWNED)`touch PWNED`",
    "'; drop table users; --",
    "100 % of %s %(name)s",
    ":name :1 ?",
    "a\\nb\\",
    "line\nbreak\r\n\tand tab",
    "(a+)+$[",
    "$\\frac{1}{",
    "../../../escape",
    "\u202eright to left\u202c",
    "nul\u2400 and \u0007 bell",
    "é\u0301 每日 🙂",
    " leading and trailing ",
    "x" * 3000,
)
