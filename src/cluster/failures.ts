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
  const dead = patients.filter(({ health }) => health.state === "dead");
  const [next] = dead.sort((a, b) => a.health.retryAt - b.health.retryAt);
  const left = patients.length - dead.length;
  const since = cause instanceof Error
    ? `none is known: ${cause.message}`
    : "there are none";
  const none = patients.length === 0
    ? since
    : left === 0
    ? `none of ${patients.length} can be used`
    : `the hasher has none for the key among the ${left} that can be used, of ${patients.length}`;
  const why = next === undefined
    ? none
    : `${none}; the first to be tried is ${next.name}, ${outlook(next, at)}`;
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
