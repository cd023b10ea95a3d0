/* Service worker of the chat page: makes it work offline after the first load and adds the headers that give
 * cross-origin isolation (threads) on hosts that cannot send them. Models are not kept here: the engine's own
 * cache holds their bytes. */
/* global SOTTO_ASSETS, SOTTO_VERSION */
importScripts('./assets.js'); // SOTTO_VERSION and SOTTO_ASSETS, written when the site is assembled

const CACHE = `sotto-page-${SOTTO_VERSION}`;

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(SOTTO_ASSETS.map((path) => new Request(path, { cache: 'reload' }))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((keys) =>
        Promise.all(keys.filter((key) => key.startsWith('sotto-page-') && key !== CACHE).map((key) => caches.delete(key))),
      )
      .then(() => self.clients.claim()),
  );
});

/** The same response with the headers that isolate a document. */
function isolated(response) {
  if (response.status === 0 || response.type === 'opaque') return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  const body = [101, 204, 205, 304].includes(response.status) ? null : response.body;
  return new Response(body, { status: response.status, statusText: response.statusText, headers });
}

const known = new Set(SOTTO_ASSETS.map((path) => new URL(path, self.registration.scope).pathname));

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return; // model hubs are left alone
  const home = new URL(self.registration.scope).pathname;
  const path = url.pathname === `${home}index.html` ? home : url.pathname;
  if (!known.has(path) || request.headers.has('range')) return;
  event.respondWith(
    caches
      .open(CACHE)
      .then((cache) => cache.match(new URL(path, url.origin).href))
      .then((hit) => hit ?? fetch(request))
      .then(isolated),
  );
});
