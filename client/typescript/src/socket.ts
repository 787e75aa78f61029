import { lstatSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";

import { LiveHandleError } from "./errors.js";

const MAX_PATH_BYTES = 107; // the kernel holds one more, which is NUL

/** Return where the daemon listens. @throws {LiveHandleError} config.invalid */
export function socketPath(socket?: string, instance?: string): string {
  const given = socket || process.env["LIVEHANDLE_SOCKET"];
  const path = given ? resolve(given) : `${runtimeDirectory()}/${instanceName(instance)}.sock`;
  const length = Buffer.byteLength(path);
  if (length <= MAX_PATH_BYTES) return path;
  const why = `The socket path is ${length} bytes long and the limit is ${MAX_PATH_BYTES}`;
  throw invalid("socket", `${why}: give a shorter one than ${path}.`);
}

function instanceName(instance?: string): string {
  const name = instance || process.env["LIVEHANDLE_INSTANCE"] || "default";
  if (/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/.test(name)) return name;
  const why = `The instance name ${JSON.stringify(name)} is not usable`;
  throw invalid("instance", `${why}: give 1 to 64 of A-Z a-z 0-9 . _ -`);
}

/** The daemon's: of this login where it is private, else one as private beside it or in /tmp. */
function runtimeDirectory(): string {
  const login = process.env["XDG_RUNTIME_DIR"] ?? "";
  if (login.startsWith("/") && isPrivate(login, true)) return `${login}/livehandle`;
  const usual = `/run/user/${process.geteuid?.()}`;
  if (isPrivate(usual, false)) return `${usual}/livehandle`;
  const last = `${tmpdir()}/runtime-${process.geteuid?.()}`;
  if (isPrivate(last, true)) return `${last}/livehandle`;
  throw invalid("socket", `Set XDG_RUNTIME_DIR or give the socket: ${last} is open to others.`);
}

function isPrivate(directory: string, ifMissing: boolean): boolean {
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (!found) return ifMissing;
  return found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o777) === 0o700;
}

function invalid(param: string, message: string): LiveHandleError {
  return new LiveHandleError("config.invalid", message, { param });
}
