/**
 * Namespaces of clients around others.
 *
 * @module
 */

import type { KeyCommands, Namespace } from "./client/commands.ts";
import type { CommandOptions } from "./types.ts";

/** What a namespace has beside the commands of its client. */
type Own = Omit<Namespace, keyof KeyCommands>;

/**
 * Makes a namespace of a client around namespaces.
 *
 * @param client The client.
 * @param views What it is around, at least one; all are invalidated together.
 * @returns The same client, with what a namespace has besides.
 */
export function namespaced<C extends object>(
  client: C,
  views: readonly Namespace[],
): C & Own {
  const own: Own = {
    get prefix() {
      return views[0].prefix;
    },
    async invalidateAll(options?: CommandOptions) {
      const ends = await Promise.allSettled(
        views.map((view) => view.invalidateAll(options)),
      );
      for (const end of ends) {
        if (end.status === "rejected") throw end.reason;
      }
    },
  };
  for (const name of ["prefix", "invalidateAll"] as const) {
    // As quiet as members of a class when a client is printed.
    Object.defineProperty(client, name, {
      ...Object.getOwnPropertyDescriptor(own, name),
      enumerable: false,
    });
  }
  // It has them now.
  return client as C & Own;
}
