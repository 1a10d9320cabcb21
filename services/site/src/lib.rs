//! The pages: server-rendered events, the built client, guest sessions.
