// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's side of the control socket: HTTP and JSON on a Unix socket, in the GLib main loop.
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct ControlServer ControlServer;

/* Answer one request.  NAME is what the route's "*" stood for, of several joined by "/", NULL
   without one; BODY is the request's object, NULL where it had none.  DATA is the server's. Returns
   the answer, which the server takes over.  On failure the client is told the error's sentence,
   with status 400 for G_IO_ERROR_INVALID_ARGUMENT, 404 for G_IO_ERROR_NOT_FOUND and 500 for every
   other.  Runs in the main loop, which waits for it.  */
typedef JsonObject *(*ControlHandler) (gpointer data, const char *name, JsonObject *body,
                                       GError **error);

/* A request that is answered later.  */
typedef struct ControlReply ControlReply;

/* Begin to answer one request, as above, in the main loop; what is to be waited for is waited for
   elsewhere.  Somebody gives REPLY to control_reply_send, once, sooner or later.  */
typedef void (*ControlStart) (gpointer data, const char *name, JsonObject *body,
                              ControlReply *reply);

/* Answer with ANSWER, which is taken over, or where that is NULL with ERROR, as a handler does, and
   forget REPLY.  From any thread, also when the server is gone.  */
void control_reply_send (ControlReply *reply, JsonObject *answer, const GError *error);

/* A route; a part of its path may be "*", which stands for any name.  It has one of the two
   functions.  */
typedef struct
{
  const char *method;
  const char *path;
  ControlHandler handler;
  ControlStart start;
} ControlRoute;

/* Listen on SOCKET_PATH, which members of the process's group may use, and answer by ROUTES, whose
   last has no method and which outlive the server, in the loop of CONTEXT (NULL: the default one).
   A socket that is there is replaced: the caller knows that nobody listens on it.  */
ControlServer *control_server_new (const char *socket_path, const ControlRoute *routes,
                                   gpointer data, GMainContext *context, GError **error);

/* Stop, and remove the socket.  Who waits for an answer is hung up on.  */
void control_server_free (ControlServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ControlServer, control_server_free)
