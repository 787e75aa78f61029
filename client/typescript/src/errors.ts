import { ERRORS, type ErrorName, type ErrorObject } from "./api.js";

/** What the daemon answers instead of a result, or why it cannot be asked. */
export class LiveHandleError extends Error {
  /** One of `ErrorName`, or a name that only a newer daemon knows. */
  override readonly name: ErrorName | (string & {});
  readonly code: number;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** All that was said beside the message: `param`, `expected`, `did_you_mean`, … */
  readonly data: Readonly<Record<string, unknown>>;

  constructor(name: string, message: string, data: Record<string, unknown> = {}, code?: number) {
    super(message);
    const known = Object.hasOwn(ERRORS, name) ? ERRORS[name as ErrorName] : undefined;
    this.name = name;
    this.code = code ?? known?.code ?? ERRORS["wire.internal"].code;
    this.data = { name, retryable: known?.retryable ?? false, ...data };
    this.retryable = this.data["retryable"] === true;
  }

  /** Take an error object as it came, with what nobody knows of. */
  static of({ code, message, data }: Partial<ErrorObject>): LiveHandleError {
    return new LiveHandleError(String(data?.["name"] ?? "wire.internal"), String(message), data, code);
  }
}

export function unreachable(path: string, message: string, more: object = {}): LiveHandleError {
  return new LiveHandleError("daemon.unreachable", message, { path, ...more });
}
