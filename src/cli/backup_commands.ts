/**
 * The commands that keep items in a file: dump and restore.
 *
 * @module
 */

import { type Register, whole } from "./arguments.ts";
import { dump } from "./dump.ts";
import { restore } from "./restore.ts";

const WAIT = "seconds to wait for a server that has gone away";

/** Registers them. */
export const registerBackupCommands: Register = (program, run) => {
  program.command("dump [file]")
    .description("write all items into a file, or to standard output")
    .option("--prefix <text>", "only those whose keys begin with it", "")
    .option("--resume", "go on with a file that was not finished")
    .option("--force", "replace a file that is there")
    .option("--wait <seconds>", WAIT, whole("--wait", 0, 86_400), 30)
    .action((file: string | undefined, options) =>
      run((session) => dump(session, file, options))
    );
  program.command("restore [file]")
    .description("store the items of a file, or of standard input")
    .option("--add", "leave items alone that are there")
    .option(
      "--restart-ttl",
      "begin lifetimes anew: time since the dump is not taken off",
    )
    .option("--resume", "go on where the last restore of this file ended")
    .option("--wait <seconds>", WAIT, whole("--wait", 0, 86_400), 30)
    .action((file: string | undefined, options) =>
      run((session) => restore(session, file, options))
    );
};
