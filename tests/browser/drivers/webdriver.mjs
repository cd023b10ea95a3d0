// What a classic WebDriver session can do, whatever carries its commands: HTTP for WebKit, Marionette for Firefox.

import fs from 'node:fs';

/**
 * @typedef {object} Commands
 * @property {(url: string) => Promise<any>} navigate
 * @property {() => Promise<any>} refresh
 * @property {(script: string, args: any[]) => Promise<any>} execute      waits for the callback, the last argument
 * @property {(size: { width: number, height: number }) => Promise<any>} resize   of the window, bars included
 * @property {() => Promise<string>} photograph                            PNG in base64
 * @property {() => Promise<any>} end
 */

/** @param {string} name @param {Commands} commands @returns {import('./index.mjs').Browser} */
export function webDriverBrowser(name, commands) {
  /** @type {import('./index.mjs').Browser['evaluate']} */
  const evaluate = async (fn, ...args) => {
    // A string is an expression, as it is for the other drivers.
    const source = typeof fn === 'function' ? `(${fn})(...args)` : `(${fn}\n)`;
    const script = `
      const done = arguments[arguments.length - 1], args = arguments[0];
      (async () => ${source})().then(
        (value) => done({ value }),
        (error) => done({ error: String(error && error.message || error), stack: String(error && error.stack) }));`;
    const answer = await commands.execute(script, [args]);
    if (answer?.error) throw new Error(`${answer.error}\n${answer.stack}`);
    return answer?.value ?? undefined;
  };
  return {
    name,
    console: [],
    evaluate,
    open: commands.navigate,
    reload: commands.refresh,
    async setViewport(width, height) {
      // The window has bars: enlarge it by what is missing inside. It may take its size later than it says, and not
      // every size is taken.
      const asked = { width, height };
      for (let pause = 20; ; pause *= 2) {
        await commands.resize(asked);
        await new Promise((resolve) => setTimeout(resolve, pause));
        const [w, h] = await evaluate(() => [innerWidth, innerHeight]);
        if ((w === width && h === height) || pause > 1000) return;
        asked.width += width - w;
        asked.height += height - h;
      }
    },
    async screenshot(file) {
      fs.writeFileSync(file, Buffer.from(await commands.photograph(), 'base64'));
    },
    close: commands.end,
  };
}
