# Varnish in front of a site of which it keeps /secret from the outside, with the handling of WebSocket that its
# documentation gives: whoever asks for it gets a pipe. @NAME@ is filled in by the step.
vcl 4.1;

backend site {
  .host = "@BACKEND_HOST@";
  .port = "@BACKEND_PORT@";
}

sub vcl_recv {
  if (req.url ~ "^/secret") {
    return (synth(403));
  }
  if (req.http.upgrade ~ "(?i)websocket") {
    return (pipe);
  }
  return (pass);
}

sub vcl_pipe {
  if (req.http.upgrade) {
    set bereq.http.upgrade = req.http.upgrade;
    set bereq.http.connection = req.http.connection;
  }
}
