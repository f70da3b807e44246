"""Progress: a bar on a terminal, a line now and then in a log."""

import sys
import time

from tqdm import tqdm

from .reports import Reports

SECONDS = 15  # between two lines of a log


class Progress:
    """Counts steps of something; silent where `shown` is false (all processes but the first)."""

    def __init__(self, what: str, total: int, start: int = 0, shown: bool = True):
        self.what, self.total, self.done, self.shown = what, total, start, shown
        self.bar = tqdm(desc=what, total=total, initial=start, file=sys.stderr) if shown and sys.stderr.isatty() else None
        self.reports = Reports(what)
        self.since, self.said, self.begun = time.monotonic(), time.monotonic(), start

    def step(self, note: str = "") -> None:
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update()
        elif self.shown and time.monotonic() - self.said >= SECONDS:
            rate = (self.done - self.begun) / (time.monotonic() - self.since)
            self.said = time.monotonic()
            self.reports.send(self.done, self.total, (self.total - self.done) / rate if rate > 0 else None)
            say(f"{self.what}: step {self.done} of {self.total}, {rate:.2f} steps/s {note}".rstrip())

    def note(self, text: str) -> None:
        if self.bar is not None:
            self.bar.write(f"{self.what}: {text}", file=sys.stderr)
        elif self.shown:
            say(f"{self.what}: {text}")

    def end(self) -> None:
        if self.bar is not None:
            self.bar.close()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
