/**
 * The errors that a connection tells its requests.
 *
 * @module
 */

import {
  MemcacheConnectionError,
  MemcacheError,
  type MemcacheErrorOptions,
  MemcacheOverloadError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
  rebound,
  stackless,
} from "../errors.ts";
import type { Backoff } from "./backoff.ts";
import type { Request } from "./request.ts";

/** What an unknown error says, for a message: some end with a new line. */
function reason(error: unknown): string {
  return (error instanceof Error && error.message !== ""
    ? error.message
    : String(error)).trim();
}

/** Makes one of our errors of what a transport ended with. */
export function asMemcacheError(error: unknown): MemcacheError {
  if (error instanceof MemcacheError) return error;
  return new MemcacheConnectionError(reason(error), { cause: error });
}

/** Makes a request's own error of one that ends many. */
export function ownError(
  error: MemcacheError,
  request: Request,
): MemcacheError {
  return rebound(error, request.about());
}

/** The error of a client that has been closed. */
export function closedError(request?: Request): MemcacheError {
  return new MemcacheError(
    "Cannot use the client: it has been closed by close()",
    { ...request?.about(), code: "ERR_CLIENT_CLOSED", sent: false },
  );
}

/** A limit has been reached. */
export function overloadError(
  request: Request,
  limit: string,
): MemcacheOverloadError {
  return new MemcacheOverloadError(
    `Cannot send ${request.command}: ${limit}`,
    request.about(),
  );
}

/** No connection within `connectTimeout`. */
export function connectTimeoutError(
  server: string,
  connectTimeout: number,
): MemcacheTimeoutError {
  return new MemcacheTimeoutError(
    `Cannot connect to ${server}: no connection within ${connectTimeout} ms (connectTimeout)`,
    { server, sent: false },
  );
}

/** An attempt to connect has failed, for something that waited for no other. */
export function dialError(
  cause: unknown,
  about: MemcacheErrorOptions,
): MemcacheError {
  if (cause instanceof MemcacheError) return rebound(cause, about);
  return new MemcacheConnectionError(
    `Cannot connect to ${about.server}: ${reason(cause)}`,
    { ...about, cause },
  );
}

/** No connection while a caller waited for all of its timeout. */
export function lateError(
  server: string,
  timeout: number,
): MemcacheTimeoutError {
  return new MemcacheTimeoutError(
    `Cannot connect to ${server}: no connection within ${timeout} ms (timeout)`,
    { server, sent: false },
  );
}

/** Whether a link was ended by the other side, rather than given up by us. */
export function isClose(error: MemcacheError | undefined): boolean {
  return error === undefined || error instanceof MemcacheConnectionError;
}

/** Whether a link was ended for what the server said of one command. */
export function isReply(error: MemcacheError | undefined): boolean {
  return error instanceof MemcacheServerError &&
    !(error instanceof MemcacheUnexpectedCloseError);
}

/** The server takes connections, but says nothing. */
export function silentError(
  server: string,
  timeout: number,
): MemcacheTimeoutError {
  return new MemcacheTimeoutError(
    `Cannot use ${server}: it accepted the connection, but answered nothing within ${timeout} ms (timeout)`,
    { server },
  );
}

/** The server takes connections, and closes them. */
export function closedEarlyError(server: string): MemcacheConnectionError {
  return new MemcacheConnectionError(
    `Cannot use ${server}: it closed the connection before it answered anything`,
    { server },
  );
}

/** Meta is insisted on, and the server does not know it. */
export function noMetaError(server: string): MemcacheUnknownCommandError {
  return new MemcacheUnknownCommandError(
    'Cannot speak meta: the server does not know it, use protocol "auto" or "classic"',
    { server },
  );
}

/** A request finds no way to the server. */
export function unreachableError(
  request: Request,
  backoff: Backoff,
  at: number,
): MemcacheError {
  const { cause, readyAt } = backoff;
  const about = request.about();
  const wait = Math.ceil(readyAt - at);
  const next = wait > 0 ? `; the next attempt is due in ${wait} ms` : "";
  if (cause instanceof MemcacheError) {
    const error = rebound(cause, about);
    error.message += next;
    return error;
  }
  return stackless(() =>
    new MemcacheConnectionError(
      `Cannot connect to ${request.server}: ${reason(cause)}${next}`,
      { ...about, cause },
    )
  );
}

/** The connection has ended under a request. */
export function lossError(
  request: Request,
  error: MemcacheError | undefined,
): MemcacheError {
  const about = request.about();
  // What the server has against every command, each is told as it is.
  const toAll = error instanceof MemcacheConnectionError
    ? error.code !== "ERR_CONNECTION"
    : error instanceof MemcacheUnknownCommandError &&
      error.command === undefined;
  if (error !== undefined && toAll) return rebound(error, about);
  const why = error === undefined ? "" : `: ${error.message}`;
  return stackless(() =>
    new MemcacheUnexpectedCloseError(
      `Cannot finish ${request.command}: the connection to ${request.server} ended before its reply${why}`,
      { ...about, cause: error },
    )
  );
}

/** A request took too long. */
export function timeoutError(request: Request): MemcacheTimeoutError {
  const { server, command, timeout } = request;
  return stackless(() =>
    new MemcacheTimeoutError(
      request.sent
        ? `Cannot finish ${command}: no complete reply from ${server} within ${timeout} ms (timeout)`
        : `Cannot send ${command}: no connection to ${server} was ready within ${timeout} ms (timeout)`,
      request.about(),
    )
  );
}
