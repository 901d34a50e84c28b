/**
 * The errors of a cluster.
 *
 * @module
 */

import type { Request } from "../client/lanes.ts";
import {
  MemcacheConnectionError,
  MemcacheNoServersError,
  stackless,
} from "../errors.ts";
import type { Health } from "./health.ts";

/** What is known of a server for the errors about it. */
export interface Patient {
  /** Its name. */
  readonly name: string;
  /** How it is. */
  readonly health: Health;
}

function outlook({ health }: Patient, at: number): string {
  const wait = Math.ceil(health.retryAt - at);
  const next = health.isOnTrial || wait <= 0
    ? "is being tried again"
    : `is tried again in ${wait} ms`;
  const { error } = health;
  return error === undefined ? `it ${next}` : `it ${next}: ${error.message}`;
}

/** A command is for a server that is failing. */
export function failingError(
  request: Request,
  patient: Patient,
  at: number,
): MemcacheConnectionError {
  const { name, health } = patient;
  return stackless(() =>
    new MemcacheConnectionError(
      `Cannot send ${request.command}: ${name} is failing, ${
        outlook(patient, at)
      }`,
      { ...request.about(), cause: health.error, sent: false },
    )
  );
}

/** A command finds no server. */
export function noServersError(
  request: Request,
  patients: readonly Patient[],
  at: number,
  cause?: unknown,
): MemcacheNoServersError {
  const [next] = [...patients].sort((a, b) =>
    a.health.retryAt - b.health.retryAt
  );
  const why = next !== undefined
    ? `none of ${patients.length} can be used; of ${next.name}, ${
      outlook(next, at)
    }`
    : cause instanceof Error
    ? `none is known: ${cause.message}`
    : "there are none";
  return stackless(() =>
    new MemcacheNoServersError(
      `Cannot send ${request.command}: no server, ${why}`,
      {
        ...request.about(),
        cause: next?.health.error ?? cause,
        sent: false,
      },
    )
  );
}
