// The server's HTTP interface. Every failure is one of three: the server was not reached, it refused, or the study was changed meanwhile.

import { writeError } from './words.js';

/** The server did not answer, or something between did in its place: the same request may be sent again. */
export class Unreachable extends Error {}

/** The server answered with an error, which `message` tells in words. */
export class Refused extends Error {
  constructor(status, body) {
    super(writeError(body?.error ?? { message: `the server answered with status ${status}` }));
    this.status = status;
  }
}

/** Someone has changed the study since it was shown. What was wanted is kept on the server as the event `setAside`. */
export class Conflict extends Refused {
  constructor(body) {
    super(409, body);
    this.message = body.error.message;
    this.setAside = body.set_aside;
    this.by = body.by;
    this.state = body.state;
  }
}

const PROXY_ERRORS = [502, 503, 504];

export class Api {
  /** `readerName` gives the name that stands on each change, or ''. */
  constructor(readerName) {
    this.readerName = readerName;
  }

  session() {
    return this.json('GET', '/api/session');
  }

  studies() {
    return this.json('GET', '/api/studies');
  }

  study(studyId) {
    return this.json('GET', `/api/studies/${studyId}`);
  }

  identity(studyId) {
    return this.json('GET', `/api/studies/${studyId}/identity`);
  }

  volume(studyId, phase) {
    return this.bytes(`/api/studies/${studyId}/volumes/${phase}.nii`);
  }

  mask(studyId, maskId) {
    return this.bytes(`/api/studies/${studyId}/masks/${encodeURIComponent(maskId)}.nii`);
  }

  /** Changes a study: `action` is the end of the path, `body` goes with the revision that the reader saw. */
  change(studyId, action, revision, body = {}) {
    return this.json('POST', `/api/studies/${studyId}/${action}`, { body: JSON.stringify({ revision, ...body }), type: 'application/json' });
  }

  /** Sends a mask: the bytes of a NIfTI file, packed on the way. */
  async sendMask(studyId, revision, nifti) {
    const packed = await new Response(new Blob([nifti]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer();
    return this.json('POST', `/api/studies/${studyId}/mask?revision=${revision}`, { body: packed, type: 'application/octet-stream' });
  }

  cancelJob(studyId) {
    return this.json('DELETE', `/api/studies/${studyId}/job`);
  }

  explanationUrl(studyId, lesionId, revision) {
    return `/api/studies/${studyId}/lesions/${encodeURIComponent(lesionId)}/explanation?revision=${revision}`;
  }

  savedUrl(studyId, saveId, name) {
    return `/api/studies/${studyId}/saved/${encodeURIComponent(saveId)}/${encodeURIComponent(name)}`;
  }

  async bytes(path) {
    return this.body(await this.send('GET', path), (response) => response.arrayBuffer());
  }

  async json(method, path, content) {
    return this.body(await this.send(method, path, content), async (response) => {
      const text = await response.text();
      return text ? JSON.parse(text) : null;
    });
  }

  async send(method, path, { body, type } = {}) {
    const headers = {};
    const name = this.readerName();
    if (name) headers['X-Lirads-Reader'] = encodeURIComponent(name);
    if (type) headers['Content-Type'] = type;
    let response;
    try {
      response = await fetch(path, { method, headers, body, credentials: 'same-origin', cache: 'no-store' });
    } catch (error) {
      throw new Unreachable(error.message);
    }
    if (response.ok) return response;
    const told = await response.json().catch(() => null);
    if (PROXY_ERRORS.includes(response.status) && !told?.error) throw new Unreachable(`status ${response.status}`);
    throw response.status === 409 && told?.state ? new Conflict(told) : new Refused(response.status, told);
  }

  /** A connection can also end in the middle of an answer. */
  async body(response, read) {
    try {
      return await read(response);
    } catch (error) {
      throw new Unreachable(error.message);
    }
  }
}
