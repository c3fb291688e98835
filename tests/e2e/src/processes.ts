// What the host's /proc shows of the daemon and of what it runs.
import fs from 'node:fs';
import path from 'node:path';

export interface Process {
  pid: number;
  parent: number;
  state: string;
  started: string; // with the pid: the same number is not the same process for ever
  arguments: string[];
}

function read(pid: number): Process | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // from field 3 on: the name may hold anything
    const args = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    args.pop();
    return { pid, parent: Number(fields[1]), state: fields[0] ?? '?', started: fields[19] ?? '', arguments: args };
  } catch {
    return undefined; // it ended while it was read
  }
}

export function allProcesses(): Process[] {
  const found: Process[] = [];
  for (const name of fs.readdirSync('/proc')) {
    const process = /^\d+$/.test(name) ? read(Number(name)) : undefined;
    if (process) found.push(process);
  }
  return found;
}

// Everything below `root`, parents before children.
export function descendants(root: number): Process[] {
  const all = allProcesses();
  const found: Process[] = [];
  const known = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const process of all) {
      if (known.has(process.pid) || !known.has(process.parent)) continue;
      known.add(process.pid);
      found.push(process);
      grown = true;
    }
  }
  return found;
}

export function isAlive(process: Process): boolean {
  const now = read(process.pid);
  return now !== undefined && now.started === process.started && now.state !== 'Z';
}

export function withArgument(text: string): Process[] {
  return allProcesses().filter((process) => process.arguments.includes(text));
}

export function programOf(process: Process): string {
  return path.basename(process.arguments[0] ?? '');
}

// The most memory that the process ever had resident, in MiB; its own part of shared mappings included.
export function peakMemoryMiB(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (!match) throw new Error(`/proc/${pid}/status tells no VmHWM`);
  return Number(match[1]) / 1024;
}
