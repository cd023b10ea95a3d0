/** Conversations and settings in IndexedDB. Invariant: a conversation is written whole, in one transaction. */
import { openDB } from './vendor/idb.js';

const database = openDB('sotto', 1, {
  upgrade(db) {
    db.createObjectStore('conversations', { keyPath: 'id' }).createIndex('updated', 'updated');
    db.createObjectStore('settings');
  },
});

/**
 * @typedef {{role: 'user'|'assistant', content: string, reasoning?: string, figures?: string, dropped?: boolean,
 *   model?: string}} Message
 * @typedef {{id: string, title: string, created: number, updated: number, messages: Message[]}} Conversation
 */

/** Newest first. @returns {Promise<Conversation[]>} */
export async function conversations() {
  const all = await (await database).getAllFromIndex('conversations', 'updated');
  return all.reverse();
}
/** @param {string} id @returns {Promise<Conversation|undefined>} */
export const conversation = async (id) => (await database).get('conversations', id);
/** @param {Conversation} c */
export const saveConversation = async (c) => (await database).put('conversations', structuredClone(c));
/** @param {string} id */
export const removeConversation = async (id) => (await database).delete('conversations', id);

/** @param {string} key @param {any} missing */
export async function setting(key, missing) {
  const value = await (await database).get('settings', key);
  return value === undefined ? missing : value;
}
/** @param {string} key @param {any} value */
export const saveSetting = async (key, value) => (await database).put('settings', value, key);
