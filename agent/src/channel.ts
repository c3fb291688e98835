// Channel: values from whoever has them to the one who takes them, in order. It has no bound of its own: what fills it
// is bounded by the protocol's window.
export class Channel<T> {
  readonly #values: T[] = [];
  #waiting: { resolve: (result: IteratorResult<T, undefined>) => void; reject: (error: unknown) => void } | undefined;
  #end: { error?: unknown } | undefined;

  push(value: T): void {
    if (this.#end) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting.resolve({ done: false, value });
    else this.#values.push(value);
  }

  // After what is in it already comes the end, or the error. The first end counts.
  end(end: { error?: unknown } = {}): void {
    if (this.#end) return;
    this.#end = end;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) this.#finish(waiting.resolve, waiting.reject);
  }

  // One taker at a time.
  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.#waiting) return reject(new Error('the stream is being read already'));
      if (this.#values.length > 0) return resolve({ done: false, value: this.#values.shift() as T });
      if (this.#end) return this.#finish(resolve, reject);
      this.#waiting = { resolve, reject };
    });
  }

  #finish(resolve: (result: IteratorResult<T, undefined>) => void, reject: (error: unknown) => void): void {
    const error = this.#end?.error;
    if (error === undefined) return resolve({ done: true, value: undefined });
    this.#end = {}; // told once
    reject(error);
  }
}
