/** Actions in the background, one after another. */

/** Does one thing after another, apart from the caller, who asks later whether all went well. */
export class Sequence {
  #last: Promise<void> = Promise.resolve();
  #failure: { error: unknown } | null = null;
  #waiting = 0;

  add(action: () => Promise<void>): void {
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      if (!this.#failure) await action();
    });
    this.#last = this.#last
      .catch((error) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#waiting--;
      });
  }

  /** Waits while that many actions or more wait for their turn. */
  async shorterThan(limit: number): Promise<void> {
    if (this.#waiting >= limit) await this.#last;
    this.throwIfFailed();
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async done(): Promise<void> {
    await this.#last;
    this.throwIfFailed();
  }
}
