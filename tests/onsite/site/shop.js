window.Shop={chat:function(how){window.chatted=how}};
