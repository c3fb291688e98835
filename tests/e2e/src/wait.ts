// Waiting without sleeping for luck: a condition is polled until it holds, a promise is given a deadline, and both
// say what they waited for when they fail.
import { setTimeout as pause } from 'node:timers/promises';

const kPollMs = 10;

// Awaits the first value of `probe` that is neither undefined nor false.
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  ms = 10_000,
): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`);
    await pause(kPollMs);
  }
}

// Awaits that `read` gives the same value for `quietMs` on end: that something has come to rest.
export async function untilStill<T>(what: string, read: () => T, quietMs: number, ms: number): Promise<T> {
  let value = read();
  let since = performance.now();
  return until(
    `${what} to come to rest`,
    () => {
      const now = read();
      if (now !== value) {
        value = now;
        since = performance.now();
      }
      return performance.now() - since >= quietMs ? { value } : undefined;
    },
    ms,
  ).then((settled) => settled.value);
}

export async function within<T>(what: string, promise: Promise<T>, ms = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
