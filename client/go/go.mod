module livehandle

go 1.19
