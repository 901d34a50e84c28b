/**
 * What keeps the errors of others away from commands.
 *
 * @module
 */

import { diag } from "@opentelemetry/api";

/** Tells of what was thrown, to whom OpenTelemetry tells such things. */
export function complain(error: unknown): void {
  try {
    diag.error("@x/memcache/otel: cannot tell OpenTelemetry", error);
  } catch {
    // Nobody is left to be told.
  }
}

/** Makes something; `undefined` if that throws. */
export function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    complain(error);
    return undefined;
  }
}

/**
 * A listener that does not throw: a channel would make that the end of the
 * process.
 */
export function guarded<M>(
  listen: (message: M) => void,
): (message: unknown) => void {
  return (message) => {
    try {
      // The channel says what it carries.
      listen(message as M);
    } catch (error) {
      complain(error);
    }
  };
}
