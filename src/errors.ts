/**
 * Every error of the module.
 *
 * What becomes of the connection after an error is decided in one place,
 * {@linkcode survives}.
 *
 * @module
 */

/** A class of errors, as `retryFor` and `doNotRetryFor` take them. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/** What an error knows about the command that failed. */
export interface MemcacheErrorOptions {
  /** The error below this one. */
  cause?: unknown;
  /** Name of the server: `host:port` or the path of the socket. */
  server?: string | undefined;
  /** Name of the command as in protocol.txt, such as `"get"`. */
  command?: string | undefined;
  /** The caller's key. It is never part of the message. */
  key?: string | undefined;
  /** Whether a byte of the command can have reached the server. */
  sent?: boolean | undefined;
  /** Overrides the class's own code. */
  code?: string | undefined;
}

/**
 * The root of all errors that this module throws, but for an abort, which
 * rejects with the signal's own reason.
 *
 * - When: never as such, but for a client that has been closed
 *   (`code` is `"ERR_CLIENT_CLOSED"`).
 * - Connection: see the class below it.
 */
export class MemcacheError extends Error {
  /** Stable text to tell errors apart by, such as `"ERR_TIMEOUT"`. */
  code: string;
  /** Name of the server, where one was involved. */
  declare server?: string;
  /** Name of the command, where one was involved. */
  declare command?: string;
  /** The caller's key, where the command has one. */
  declare key?: string;
  /** `false` when no byte of the command can have reached the server. */
  declare sent?: boolean;
  /**
   * The caller's keys that a many-key call could not store, delete or read, or
   * does not know to be.
   */
  declare failedKeys?: readonly string[];
  /** What a many-key read that failed has read, by the caller's keys. */
  declare values?: ReadonlyMap<string, unknown>;
  /** The results of a command for all servers, by those that did not fail. */
  declare results?: ReadonlyMap<string, unknown>;
  /** The failure of each server, where a call failed on several. */
  declare errors?: readonly MemcacheError[];

  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(
      message,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "MemcacheError";
    this.code = options.code ?? "ERR_MEMCACHE";
    // Absent fields stay absent: a printed error shows what is known, no more.
    if (options.server !== undefined) this.server = options.server;
    if (options.command !== undefined) this.command = options.command;
    if (options.key !== undefined) this.key = options.key;
    if (options.sent !== undefined) this.sent = options.sent;
  }
}

/**
 * The server said `CLIENT_ERROR`: it takes the request for malformed.
 *
 * - When: the server read a command that it does not accept as it stands.
 * - Usual cause: a limit of the server that differs from the one assumed
 *   here, or a proxy.
 * - Connection: kept, unless the command carried a value: then a second line
 *   may follow, and it is dropped.
 */
export class MemcacheClientError extends MemcacheError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_CLIENT", ...options });
    this.name = "MemcacheClientError";
  }
}

/**
 * Something that the caller gave cannot go into a command.
 *
 * - When: a key, number, `ttl`, option or address was refused before a byte
 *   was written.
 * - Usual cause: a key with a blank or over 250 bytes, a fractional `ttl`.
 * - Connection: untouched; `sent` is `false`.
 */
export class MemcacheIllegalInputError extends MemcacheClientError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_ILLEGAL_INPUT", ...options });
    this.name = "MemcacheIllegalInputError";
  }
}

/**
 * The server said `ERROR`: it does not know the command.
 *
 * - When: the server answered `ERROR` or a line that begins with it; or it speaks
 *   no meta, and the command needs that (`sent` is `false`).
 * - Usual cause: an old server, a proxy, or a command that the server has
 *   switched off.
 * - Connection: kept, unless the command carried a value.
 */
export class MemcacheUnknownCommandError extends MemcacheClientError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_UNKNOWN_COMMAND", ...options });
    this.name = "MemcacheUnknownCommandError";
  }
}

/**
 * `incr` or `decr` met a value that is no number.
 *
 * - When: the stored value is not the decimal text of an unsigned 64-bit
 *   number.
 * - Usual cause: a counter that was stored by a serde which does not write
 *   plain digits.
 * - Connection: kept.
 */
export class MemcacheNonNumericError extends MemcacheClientError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_NON_NUMERIC", ...options });
    this.name = "MemcacheNonNumericError";
  }
}

/**
 * The server said `SERVER_ERROR`: it could not do what it was asked.
 *
 * - When: out of memory, a value too large for the server, or a proxy
 *   without a backend.
 * - Usual cause: a value above the server's item size (`-I`), or a full
 *   server (`-M`).
 * - Connection: kept for reads and for refused values; dropped where a
 *   second line may follow.
 */
export class MemcacheServerError extends MemcacheError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_SERVER", ...options });
    this.name = "MemcacheServerError";
  }
}

/**
 * The connection ended while the command was in flight.
 *
 * - When: the server, a proxy or the network closed the connection before
 *   the reply was complete.
 * - Usual cause: a server restart.
 * - Connection: gone; the next command opens a new one.
 */
export class MemcacheUnexpectedCloseError extends MemcacheServerError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_UNEXPECTED_CLOSE", ...options });
    this.name = "MemcacheUnexpectedCloseError";
  }
}

/**
 * The reply is none that the protocol allows for the command.
 *
 * - When: bytes arrived that cannot be the reply of the command at the head
 *   of the line.
 * - Usual cause: something between client and server that is no memcached,
 *   or damaged data.
 * - Connection: dropped at once, with every command in flight on it.
 */
export class MemcacheUnknownError extends MemcacheError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_UNKNOWN_REPLY", ...options });
    this.name = "MemcacheUnknownError";
  }
}

/**
 * No connection could be made.
 *
 * - When: the address was refused, did not resolve, or TLS failed; `cause`
 *   has the runtime's own error.
 * - Usual cause: a server that is down, a wrong port, a certificate of
 *   another name.
 * - Connection: none was there; attempts are spaced by a back-off, and calls
 *   fail fast meanwhile.
 */
export class MemcacheConnectionError extends MemcacheError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_CONNECTION", ...options });
    this.name = "MemcacheConnectionError";
  }
}

/**
 * The server refused the user name or the password.
 *
 * - When: ASCII authentication (memcached `-Y`) failed, or the server wants
 *   it and none was given.
 * - Usual cause: a wrong or missing `auth` option.
 * - Connection: closed.
 */
export class MemcacheAuthError extends MemcacheConnectionError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_AUTH", ...options });
    this.name = "MemcacheAuthError";
  }
}

/**
 * The command, or the connect that it waited for, took too long.
 *
 * - When: no complete reply within `timeout`, or no connection within
 *   `connectTimeout`.
 * - Usual cause: a stopped or overloaded server, a lost network path.
 * - Connection: kept while it makes progress: the late reply is read and
 *   thrown away; replaced when silent.
 */
export class MemcacheTimeoutError extends MemcacheError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_TIMEOUT", ...options });
    this.name = "MemcacheTimeoutError";
  }
}

/**
 * The command was refused at once, since too much waits already.
 *
 * - When: `maxPending` commands, or the limit of unsent bytes, is reached on
 *   the connection.
 * - Usual cause: a server slower than the load; a loop that does not await.
 * - Connection: kept; `sent` is `false`.
 */
export class MemcacheOverloadError extends MemcacheError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_OVERLOAD", ...options });
    this.name = "MemcacheOverloadError";
  }
}

/**
 * Every server of a cluster is out of the ring.
 *
 * - When: a `HashClient` has no server left to ask.
 * - Usual cause: an outage of the whole fleet.
 * - Connection: none.
 */
export class MemcacheNoServersError extends MemcacheError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_NO_SERVERS", ...options });
    this.name = "MemcacheNoServersError";
  }
}

/**
 * A serde cannot store the value, or cannot read the stored bytes.
 *
 * - When: serializing or deserializing failed; `cause` has the serde's own
 *   error, where there is one.
 * - Usual cause: data of another program, such as a pickle, or a value that
 *   JSON cannot carry.
 * - Connection: kept.
 */
export class MemcacheSerdeError extends MemcacheError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_SERDE", ...options });
    this.name = "MemcacheSerdeError";
  }
}

/**
 * A miss or a refused store, told as an error.
 *
 * - When: thrown by `StrictClient`, and by `update` if it is a
 *   {@linkcode MemcacheCasError}; told to `onError` of stores with `noreply`.
 * - Usual cause: the key is not there, or is not as the command wants it.
 * - Connection: kept.
 */
export class MemcacheMissError extends MemcacheError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_MISS", ...options });
    this.name = "MemcacheMissError";
  }
}

/**
 * `StrictClient`: a read found nothing.
 *
 * - When: the key is not stored.
 * - Usual cause: it expired, was evicted or never stored.
 * - Connection: kept.
 */
export class MemcacheNoValueError extends MemcacheMissError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_NO_VALUE", ...options });
    this.name = "MemcacheNoValueError";
  }
}

/**
 * The server did not store the value.
 *
 * - When: `add` met a value, or `replace`, `append`, `prepend` met none, of a
 *   `StrictClient` or with `noreply`.
 * - Usual cause: another writer was faster.
 * - Connection: kept.
 */
export class MemcacheNotStoredError extends MemcacheMissError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_NOT_STORED", ...options });
    this.name = "MemcacheNotStoredError";
  }
}

/**
 * The item has changed since its `cas` was read.
 *
 * - When: `cas` answered `EXISTS` to a `StrictClient` or with `noreply`, or others
 *   changed the item during every attempt of an `update`.
 * - Usual cause: another writer was faster.
 * - Connection: kept.
 */
export class MemcacheCasError extends MemcacheMissError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_CAS", ...options });
    this.name = "MemcacheCasError";
  }
}

/**
 * There is no such item to change.
 *
 * - When: `cas`, `delete`, `touch`, `incr` or `decr` of a `StrictClient` met no
 *   item, or `cas` with `noreply`.
 * - Usual cause: it expired, was evicted or never stored.
 * - Connection: kept.
 */
export class MemcacheNotFoundError extends MemcacheMissError {
  /** Makes an error with a message and what is known of the command. */
  constructor(message?: string, options: MemcacheErrorOptions = {}) {
    super(message, { code: "ERR_NOT_FOUND", ...options });
    this.name = "MemcacheNotFoundError";
  }
}

/**
 * Makes an error without a stack. What fails thousands of commands at once
 * begins in a timer or a socket: a stack tells nobody anything there, and it is
 * what such errors cost most for.
 *
 * @param make Makes the error.
 * @returns The error.
 */
export function stackless<E extends Error>(make: () => E): E {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/**
 * Makes an error of the same class, message and code for another command: one
 * event on a connection fails many, and each caller gets an error of its own.
 *
 * @param error What happened.
 * @param about The other command.
 * @returns A new error.
 */
export function rebound(
  error: MemcacheError,
  about: MemcacheErrorOptions,
): MemcacheError {
  // Every class of the tree has the constructor of its root.
  const Class = error.constructor as typeof MemcacheError;
  return stackless(() =>
    new Class(error.message, {
      ...about,
      cause: error.cause,
      code: error.code,
    })
  );
}

/**
 * Makes one error of what failed on several servers: of the class and code of
 * the first, with every server's name and reason.
 *
 * @param errors One for each server, at least one.
 * @returns The error itself where there is one only.
 */
export function combined(errors: readonly MemcacheError[]): MemcacheError {
  const [first] = errors;
  if (errors.length === 1) return first;
  const servers = errors.map(({ server }) => server ?? "a server").join(", ");
  const reasons = errors.map(({ message }) => message).join("; ");
  const error = rebound(first, {
    server: servers,
    command: first.command,
    sent: errors.some(({ sent }) => sent !== false),
  });
  error.message = `${errors.length} servers failed, ${servers}: ${reasons}`;
  error.errors = Object.freeze([...errors]);
  return error;
}

/**
 * Says whether the connection is still in step after an error was read from it.
 *
 * A reply that the protocol does not allow ends it. So does an error line to a
 * command that carried a value, since the server may take the value for the
 * next command and answer that too (protocol.txt, "Error strings"); only a
 * `SERVER_ERROR` for a value that the server read to its end and refused is
 * known to come alone.
 *
 * @param error What the reply was read as.
 * @param carriesValue Whether the command had a data block.
 * @returns `false` when the connection has to be dropped.
 */
export function survives(error: unknown, carriesValue: boolean): boolean {
  if (!(error instanceof MemcacheError)) return false;
  if (error instanceof MemcacheUnexpectedCloseError) return false;
  if (error instanceof MemcacheSerdeError) return true;
  if (error instanceof MemcacheClientError) return !carriesValue;
  if (error instanceof MemcacheServerError) {
    return !carriesValue || error.code === "ERR_VALUE_REFUSED";
  }
  return false;
}
