// TorenError: every failure that a caller sees. What the daemon refused has its problem details.
import type { Problem, ProblemCode } from './protocol.js';

// Ours, where no answer of the daemon says more:
// connection_lost    nobody knows whether the daemon has done it
// malformed_answer   what came does not fit the protocol
// closed             the socket was closed by its owner
export type ClientCode = 'connection_lost' | 'malformed_answer' | 'closed';

// A later daemon may have codes that are not known here.
export type Code = ProblemCode | ClientCode | (string & Record<never, never>);

// `code` may be newer than this client; all further fields are as the daemon sent them.
export type AnyProblem = Omit<Partial<Problem>, 'code' | 'status' | 'detail'> & {
  code: Code;
  status: number;
  detail: string;
};

export class TorenError extends Error {
  readonly code: Code;
  readonly status: number; // 0 for a ClientCode
  readonly problem: AnyProblem;

  constructor(problem: AnyProblem, options?: { cause?: unknown }) {
    super(problem.detail, options);
    this.name = 'TorenError';
    this.code = problem.code;
    this.status = problem.status;
    this.problem = problem;
  }

  static ours(code: ClientCode, detail: string, cause?: unknown): TorenError {
    return new TorenError({ code, status: 0, detail }, cause === undefined ? {} : { cause });
  }

  static cancelled(): TorenError {
    return new TorenError({ code: 'cancelled', status: 499, detail: 'cancelled by the caller' });
  }
}

export function isLost(error: unknown): boolean {
  return error instanceof TorenError && error.code === 'connection_lost';
}
