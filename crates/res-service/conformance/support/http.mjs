// HTTP as it is sent: no redirects followed, no paths tidied up.
import { request } from 'node:http'
import { gateway } from './gateways.mjs'
import { inTime } from './until.mjs'

/** `{ status, headers, text, json }` of an answer; `body` is sent as JSON unless it is a string already. */
export const http = (method, path, { at = gateway, body, headers = {} } = {}) => {
  const [hostname, port] = at.split(':')
  const answered = new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers, agent: false }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = (response.headers['content-type'] ?? '').startsWith('application/json') && text !== ''
        const json = isJson ? JSON.parse(text) : undefined
        resolve({ status: response.statusCode, headers: response.headers, text, json })
      })
    })
    sent.on('error', reject)
    sent.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body))
  })
  return inTime(`${method} ${path}`, answered)
}

/** What a method answers over HTTP. */
export const post = (path, body, options) => http('POST', path, { body, ...options })
