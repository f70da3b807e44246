/** A binary heap of things with a number each; the smallest number comes first. */
export class Heap<T> {
  readonly #nodes: { readonly at: number; readonly value: T }[] = [];

  get size(): number {
    return this.#nodes.length;
  }

  /** The first one without taking it. */
  peek(): { readonly at: number; readonly value: T } | undefined {
    return this.#nodes[0];
  }

  push(at: number, value: T): void {
    const nodes = this.#nodes;
    nodes.push({ at, value });
    for (let child = nodes.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (nodes[parent]!.at <= nodes[child]!.at) return;
      this.#swap(parent, child);
      child = parent;
    }
  }

  pop(): { readonly at: number; readonly value: T } | undefined {
    const nodes = this.#nodes;
    const first = nodes[0];
    const last = nodes.pop();
    if (nodes.length === 0 || last === undefined) return first;
    nodes[0] = last;
    for (let parent = 0; ; ) {
      const left = 2 * parent + 1;
      if (left >= nodes.length) return first;
      const child = left + 1 < nodes.length && nodes[left + 1]!.at < nodes[left]!.at ? left + 1 : left;
      if (nodes[parent]!.at <= nodes[child]!.at) return first;
      this.#swap(parent, child);
      parent = child;
    }
  }

  #swap(a: number, b: number): void {
    const nodes = this.#nodes;
    [nodes[a], nodes[b]] = [nodes[b]!, nodes[a]!];
  }
}
